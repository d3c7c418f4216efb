/** A real browser for pages that tests look at. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const QUIET = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Debian's chromium, installed where it is missing and this user may; CHROMIUM names another. */
export async function launchChromium(): Promise<Browser> {
  if (!existsSync(EXECUTABLE)) install();
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: ['--headless', '--no-sandbox', '--disable-gpu', ...QUIET],
  });
}

function install(): void {
  if (process.getuid?.() !== 0) {
    throw new Error(`There is no ${EXECUTABLE}: install chromium (apt-get install chromium), or set CHROMIUM to one.`);
  }
  const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
  execFileSync('apt-get', ['update'], options);
  execFileSync('apt-get', ['install', '--yes', '--no-install-recommends', 'chromium', 'fonts-dejavu-core'], options);
}
