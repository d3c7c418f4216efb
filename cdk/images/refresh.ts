/** `npm run images:refresh`: pins the base images and Temporal's images to the current digests of their tags. Needs Docker and network. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** An image with a tag: the default of a Dockerfile's argument, or a text of a TypeScript file. It may have no digest yet. */
const PINNED = /(?<=^ARG \w+_IMAGE=|')([\w./-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?(?=$|')/gm;

/** Replaces or adds the digests of all images in the text of a file. */
export const refresh = (text: string, digestOf: (image: string) => string): string =>
  text.replaceAll(PINNED, (_, image: string) => `${image}@${digestOf(image)}`);

function currentDigest(image: string): string {
  const inspect = ['buildx', 'imagetools', 'inspect', image, '--format', '{{.Manifest.Digest}}'];
  const digest = execFileSync('docker', inspect, { encoding: 'utf8' }).trim();
  console.log(`${image} ${digest}`);
  return digest;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of ['Dockerfile', '../temporal-images.ts']) {
    const file = fileURLToPath(new URL(name, import.meta.url));
    writeFileSync(file, refresh(readFileSync(file, 'utf8'), currentDigest));
  }
}
