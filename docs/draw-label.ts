/** Takes the picture of the page where people vote for the README, with Chromium: `tsx docs/draw-label.ts docs/label.png`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchChromium } from '../test/chromium.ts';
import { drawLabelPage } from '../test/web/label/picture.ts';

const [out] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'selm-picture-'));
const browser = await launchChromium();
await drawLabelPage(browser, folder, out);
await browser.close();
rmSync(folder, { recursive: true });
