/** `npm run images:refresh`: updates the pinned images to the current digests of their tags. Needs Docker and network access. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PINNED = /([\w./-]+:[\w.-]+)@(sha256:[0-9a-f]{64})/g;

for (const name of ['Dockerfile', '../temporal-images.ts']) {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const text = readFileSync(file, 'utf8');
  const refreshed = text.replaceAll(PINNED, (_, image: string) => {
    const inspect = ['buildx', 'imagetools', 'inspect', image, '--format', '{{.Manifest.Digest}}'];
    const digest = execFileSync('docker', inspect, { encoding: 'utf8' }).trim();
    console.log(`${image} ${digest}`);
    return `${image}@${digest}`;
  });
  writeFileSync(file, refreshed);
}
