/** A person in a browser. */
import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';

/** The width of small phones, and of the pages that WCAG 2.2 asks not to scroll sideways (1.4.10: 320). */
export const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

export interface Visitor {
  page: Page;
  /** What the console has said, violations of the Content-Security-Policy included, and requests to other servers. */
  complaints: string[];
}

/** Opens a page in a session of its own. */
export async function visit(browser: Browser, address: string, options: BrowserContextOptions = {}): Promise<Visitor> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  // However busy the machine is: Vitest's timeout is the only bound.
  page.setDefaultTimeout(0);
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('dialog', async (dialog) => {
    complaints.push(`dialog: ${dialog.type()}`);
    await dialog.accept();
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(address).origin) complaints.push(`request to ${request.url()}`);
  });
  await page.goto(address);
  return { page, complaints };
}

/** axe-core finds nothing, in light and dark. */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const violations = await page.evaluate<string[]>(
      `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html)))`,
    );
    expect(violations).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: null });
}

/** Nothing is wider than the window. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate<number>(`document.documentElement.scrollWidth - document.documentElement.clientWidth`);
