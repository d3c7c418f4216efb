/**
 * Takes the picture of a report for the README, with Chromium: `tsx docs/draw-report.ts REPORT.html OUT.png`. docs/report.png is the
 * quickstart's: `selm report quickstart-0`.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launchChromium } from '../test/chromium.ts';

const [report, out] = process.argv.slice(2);
const browser = await launchChromium();
const page = await browser.newPage({ viewport: { width: 1040, height: 1130 } });
await page.goto(pathToFileURL(resolve(report)).href);
// Where the model lies on this machine is nobody's concern.
await page
  .locator('.lead b')
  .evaluate((model) => void (model.textContent = model.textContent!.replace(/^.*\/(?=\.selm)/, '')));
await page.screenshot({ path: out });
await browser.close();
