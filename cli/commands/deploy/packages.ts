/** The packages that only `selm deploy` needs. They are optional peer dependencies, not installed with selm or in the images. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { silenceAwsSdk } from '../../../data/aws-sdk.ts';
import { InputError } from '../../../data/errors.ts';

/**
 * Prepares this process for these packages.
 * @throws InputError that names those to install
 */
export function requireDeployPackages(): void {
  silenceAwsSdk();
  const { peerDependencies } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    peerDependencies: Record<string, string>;
  };
  const folders = createRequire(import.meta.url).resolve.paths('aws-cdk')!;
  const missing = Object.entries(peerDependencies).filter(
    ([name]) => !folders.some((folder) => existsSync(join(folder, name))),
  );
  if (missing.length === 0) return;
  const packages = missing.map(([name, range]) => `${name}@${range}`).join(' ');
  throw new InputError(
    `selm deploy needs packages that are not installed: run npm install ${packages} (in a checkout: npm ci).`,
  );
}
