/** Parts of a page that change while it is open. */
import { createHash } from 'node:crypto';
import { html, type Html } from '../../report/html.ts';

/** A part of a page. A page has the same sections as long as it is open; a section may be empty. */
export interface Section {
  id: string;
  content: Html;
}

/** The sections of a page at one time. */
export interface Snapshot {
  /** Operators have links to decisions that others do not have. */
  sections: Record<'viewer' | 'operator', Section[]>;
  /** Whether the sections do not change any more. */
  ended: boolean;
}

/** Identifies the contents of sections. */
export function stateOf(sections: Section[]): string {
  const hash = createHash('sha256');
  for (const { id, content } of sections) hash.update(`${id}\0${content.text}\0`);
  return hash.digest('hex').slice(0, 16);
}

/** The sections as a part of a page. @param events the path of the page's event stream (events.ts), which web/assets/live.js reads */
export const liveArea = (events: string, sections: Section[]): Html =>
  html`<div data-events="${events}" data-state="${stateOf(sections)}">
    <p id="live-note" class="note" role="status"></p>
    ${sections.map(({ id, content }) => html`<div id="${id}" tabindex="-1">${content}</div>`)}
  </div>`;
