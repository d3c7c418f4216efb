/** Responses: pages with the navigation, and problems in one sentence. */
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { html, type Html } from '../report/html.ts';
import { layout } from '../report/layout.ts';
import { SIGN_OUT } from './access/path.ts';
import { assetUrl } from './assets.ts';
import { csrfField } from './csrf-field.ts';
import type { WebEnv } from './identity.ts';
import type { Page } from './page.ts';

/** Interval at which browsers reload the pages of runs in progress. */
const REFRESH_SECONDS = 15;

/** Answers with a page in the layout of all pages. */
export function show(
  c: Context<WebEnv>,
  { title, content, changes, live, head }: Page,
  status: ContentfulStatusCode = 200,
): Response | Promise<Response> {
  if (changes && !live) c.header('Refresh', String(REFRESH_SECONDS));
  const heads = html`${changes && live && LIVE}${head}`;
  return c.html(layout(`selm: ${title}`, html`${navigation(c)}${content}`, heads), status);
}

const LIVE = html`<script type="module" src="${assetUrl('live.js')}"></script>
  <noscript><meta http-equiv="refresh" content="${REFRESH_SECONDS}" /></noscript>`;

/** A page with one sentence. */
export const problem = (c: Context<WebEnv>, status: ContentfulStatusCode, sentence: string) =>
  c.html(
    layout(
      'selm',
      html`${navigation(c)}
        <p class="warning">${sentence}</p>`,
    ),
    status,
  );

/** Links to the pages that this person may see. Before the identity is known: none. */
function navigation(c: Context<WebEnv>): Html {
  const { name, roles } = c.get('identity') ?? { roles: [] };
  return html`<nav>
    ${roles.includes('viewer') && html`<a href="/">Runs</a><a href="/policies">Policies</a>`}
    ${roles.includes('labeler') && name !== undefined && html`<a href="/label">Label</a>`}
    ${name !== undefined && html`<span>Signed in as ${name}</span>`}
    ${
      c.get('csrf') !== undefined &&
      html`<form method="post" action="${SIGN_OUT}">${csrfField(c)}<button>Sign out</button></form>`
    }
  </nav>`;
}
