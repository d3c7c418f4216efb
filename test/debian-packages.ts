/** Programs from Debian's packages that tests run. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { oneAtATime } from './made-once.ts';

/**
 * Installs packages, if a file of theirs is missing.
 * @throws Error, which names them, for a user that may not
 */
export async function installPackages(file: string, ...names: string[]): Promise<void> {
  if (existsSync(file)) return;
  if (process.getuid?.() !== 0) throw new Error(`There is no ${file}: apt-get install ${names.join(' ')}.`);
  // apt-get does not wait for another one.
  await oneAtATime('apt-get', async () => {
    if (existsSync(file)) return;
    const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
    execFileSync('apt-get', ['update'], options);
    execFileSync('apt-get', ['install', '--yes', '--no-install-recommends', ...names], options);
  });
}

const BUSYBOX = '/bin/busybox';

/** The shell of the images of Temporal's server. */
export async function findBusyBox(): Promise<string> {
  await installPackages(BUSYBOX, 'busybox');
  return BUSYBOX;
}
