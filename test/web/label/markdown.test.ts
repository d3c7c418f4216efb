/** Markdown of models: the HTML that the pages show, as an independent parser of HTML reads it (Chromium's), and time limits. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { uniformStream } from '../../../data/random.ts';
import { renderMarkdown } from '../../../web/label/markdown.ts';
import { launchChromium } from '../../chromium.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser?.close());

/** What markdown is made of. No element here loads anything or leads elsewhere. */
const ELEMENTS =
  'P H3 H4 H5 H6 UL OL LI BLOCKQUOTE PRE CODE EM STRONG S BR HR SPAN DIV TABLE THEAD TBODY TR TH TD'.split(' ');
const ATTRIBUTES = ['class', 'start', 'role', 'aria-label', 'tabindex'];

/** Pieces that mean something in markdown or in HTML. */
const PIECES = [
  '<script>',
  '</div>',
  '<img src=x onerror=y>',
  '<a href="javascript:z">',
  '<!--',
  '-->',
  '<![CDATA[',
  '&lt;',
  '&#x3c;',
  '"',
  "'",

  '[a](http://b)',
  '![a](http://b)',
  '[a](javascript:b)',
  '<http://b>',
  '[a]: http://b',
  '[a][a]',
  '](',
  '![',
  '<',
  '>',

  '# ',
  '- ',
  '1. ',
  '> ',
  '```',
  '```html" onload="a',
  '`',
  '*',
  '_',
  '**',
  '~~',
  '| a | b |\n|:-:|-|\n',
  '---',
  '\\',
  '$',
  '$$',
  '\\(',
  '\\)',
  '\\[',
  '\\]',
  '\n',
  '\n\n',
  '    ',
  ' ',
  'word',
  '\u0000',
  '\u202e',
  'ا',
];

it('no text makes an element or an attribute that markdown does not have', async () => {
  const next = uniformStream('markdown');
  const texts = Array.from({ length: 2000 }, () =>
    Array.from({ length: 1 + Math.floor(12 * next()) }, () => PIECES[Math.floor(next() * PIECES.length)]).join(''),
  );
  const page = await browser.newPage();
  const rendered = texts.map((text) => renderMarkdown(text, 3).text);
  const found = await page.evaluate<[string[], string[]]>(`(() => {
    const [elements, attributes] = [new Set(), new Set()];
    for (const text of ${JSON.stringify(rendered)}) {
      const { body, head } = new DOMParser().parseFromString(text, 'text/html');
      for (const element of [...head.children, ...body.querySelectorAll('*')]) {
        elements.add(element.tagName);
        for (const { name } of element.attributes) attributes.add(name);
      }
    }
    return [[...elements], [...attributes]];
  })()`);
  expect(found[0].filter((name) => !ELEMENTS.includes(name))).toEqual([]);
  expect(found[1].filter((name) => !ATTRIBUTES.includes(name))).toEqual([]);
  expect(found[0].length).toBeGreaterThan(20);
});

const BEGINNINGS: [string, string][] = [
  ['unfinished formulas', '\\('.repeat(50_000)],
  ['unfinished blocks of formulas', '\\[\n'.repeat(40_000)],
  ['blocks that end in a line with text', `${'\\[\n'.repeat(40_000)}\\] x`],
  ['dollars', '$a '.repeat(40_000)],
  ['brackets', '['.repeat(100_000)],
  ['emphasis', '*a_ '.repeat(40_000)],
];
it.each(BEGINNINGS)('%s take time in proportion to their length', (_, text) => {
  const before = process.cpuUsage();
  renderMarkdown(text, 3);
  // Processor time: other work on the machine does not count.
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(5);
});

it.each([
  ['a price of $5 and $6', '<p>a price of $5 and $6</p>'],
  ['$x_1 * y * z$', '<p><code class="math">$x_1 * y * z$</code></p>'],
  [
    '\\(a_b_c\\) and \\[d*e*f\\]',
    '<p><code class="math">\\(a_b_c\\)</code> and <code class="math">\\[d*e*f\\]</code></p>',
  ],
  ['a\n$$\n- b\n$$\nc', '<p>a</p>\n<pre class="math"><code>$$\n- b\n$$</code></pre>\n<p>c</p>'],
  ['[a](http://b.test "t")', '<p><span class="link">a</span> (http://b.test)</p>'],
  ['<http://b.test>', '<p><span class="link">http://b.test</span></p>'],
  ['![a](http://b.test/c.png)', '<p><span class="link">[image: a]</span> (http://b.test/c.png)</p>'],
  ['###### a\n# b', '<h3>a</h3>\n<h3>b</h3>'],
])('%j', (text, expected) => {
  expect(renderMarkdown(text, 3).text.trim()).toBe(expected);
});
