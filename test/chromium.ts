/** A real browser for pages that tests look at. */
import { chromium, type Browser } from 'playwright-core';
import { installPackages } from './debian-packages.ts';

const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const QUIET = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Debian's chromium, installed where it is missing and this user may; CHROMIUM names another. */
export async function findChromium(): Promise<string> {
  if (!process.env['CHROMIUM']) await installPackages(EXECUTABLE, 'chromium', 'fonts-dejavu-core');
  return EXECUTABLE;
}

export async function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: await findChromium(),
    args: ['--headless', '--no-sandbox', '--disable-gpu', ...QUIET],
  });
}
