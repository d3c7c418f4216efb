/** The frame of the pages where people vote. The script replaces the title, the status and what is in #work, and keeps the rest. */
import { html, type Html } from '../../report/html.ts';
import { assetUrl } from '../assets.ts';
import type { Page } from '../page.ts';
import { keysDialog, keyHint } from './controls.ts';
import { renderMarkdown } from './markdown.ts';

interface Framed {
  /** The heading. */
  title: string;
  /** What has just happened, for people who see the page and for screen readers. */
  status?: string;
  guidelines?: { text: string; isOpen: boolean };
  work: Html;
}

/** A page with its script and style sheet. */
export const framed = ({ title, status, guidelines, work }: Framed): Page => ({
  title: 'label',
  changes: false,
  head: html`<link rel="stylesheet" href="${assetUrl('label.css')}" />
    <script type="module" src="${assetUrl('label.js')}"></script>`,
  content: html`<header>
      <h1 id="title" tabindex="-1">${title}</h1>
      <button type="button" id="keys-open" aria-keyshortcuts="?" hidden>Keys ${keyHint(['?'])}</button>
    </header>
    <p id="status" role="status">${status}</p>
    <p id="alert" role="alert"></p>
    ${guidelines && guidelinesPanel(guidelines)}
    <div id="work">${work}</div>
    ${keysDialog()}`,
});

const guidelinesPanel = ({ text, isOpen }: NonNullable<Framed['guidelines']>): Html =>
  html`<details id="guidelines" ${isOpen && html`open`}>
    <summary aria-keyshortcuts="g">Guidelines ${keyHint(['g'])}</summary>
    <div class="text" dir="auto">${renderMarkdown(text, 2)}</div>
  </details>`;
