/** The page while no worker answers for a run. It tries again by itself, with and without its script. */
import type { Context } from 'hono';
import { oneLine } from '../../data/errors.ts';
import { html } from '../../report/html.ts';
import { RunUnanswered } from '../../workers/temporal/errors.ts';
import type { WebEnv } from '../identity.ts';
import { show } from '../respond.ts';
import { framed } from './frame.ts';

const AGAIN_SECONDS = 10;

/** The handler of errors of the pages where people vote. @throws every error that is another one, for the application's handler */
export function unanswered(error: Error, c: Context<WebEnv>): Response | Promise<Response> {
  if (!(error instanceof RunUnanswered) || error.isOtherVersion) throw error;
  console.error(oneLine(`selm: ${c.req.path}: ${error.message}`));
  const page = framed({
    title: 'No answer at the moment',
    work: html`<p data-waiting="worker">
      No worker of this run answers at the moment: the run is stopped or restarting. Votes that were recorded are safe;
      this page tries again.
    </p>`,
  });
  const again = html`<noscript><meta http-equiv="refresh" content="${AGAIN_SECONDS}" /></noscript>`;
  c.header('Retry-After', String(AGAIN_SECONDS));
  return show(c, { ...page, head: html`${page.head}${c.req.method === 'GET' && again}` }, 503);
}
