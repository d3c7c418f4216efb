/** The frame of all pages: no scripts, no external resources, and one inline style sheet. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { html, Html } from './html.ts';

const CSS = readFileSync(new URL('./style.css', import.meta.url), 'utf8');
const STYLE = new Html(`<style>${CSS}</style>`);

/** The source for a Content-Security-Policy that allows only this style sheet. */
export const STYLE_HASH = `'sha256-${createHash('sha256').update(CSS).digest('base64')}'`;

/** A complete page. @param head further elements of the head, such as links to a page's own script */
export function layout(title: string, content: Html, head?: Html): string {
  const { text } = html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <title>${title}</title>
      ${STYLE}${head}
      <main>${content}</main>
    </html> `;
  return text;
}

/** A table, in a box that scrolls horizontally if the table is too wide. */
export function table(name: string, head: string[], rows: (string | Html)[][]): Html {
  return html`<div class="scroll">
    <table id="${name}">
      <thead>
        <tr>
          ${head.map((cell) => (cell === '' ? html`<td></td>` : html`<th>${cell}</th>`))}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${cell}</td>`)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

/** The first characters of an artifact's address, with the full address as a tooltip. */
export const short = (address: string) => html`<code title="${address}">${address.slice(0, 12)}</code>`;
