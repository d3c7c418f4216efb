/** Programs from Debian's packages that tests run. */
import { execFileSync } from 'node:child_process';

/** Installs packages. @throws Error, which names them, for a user that may not */
export function installPackages(...names: string[]): void {
  if (process.getuid?.() !== 0) throw new Error(`Programs are missing: apt-get install ${names.join(' ')}.`);
  const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
  execFileSync('apt-get', ['update'], options);
  execFileSync('apt-get', ['install', '--yes', '--no-install-recommends', ...names], options);
}
