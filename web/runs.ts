/** The list of runs. */
import { describeFailure } from '../report/failure.ts';
import { html, type Html } from '../report/html.ts';
import { table } from '../report/layout.ts';
import type { ListedRun } from '../workers/run-list.ts';
import type { Page } from './page.ts';

const HEAD = ['run', 'state', 'round', 'since', ''];

export const runsPage = ({ runs, more }: { runs: ListedRun[]; more: boolean }): Page => ({
  title: 'runs',
  changes: true,
  content: html`<h1>Runs</h1>
    ${runs.length === 0 ? html`<p>There are none: <code>selm start run.yaml</code> starts one.</p>` : table('runs', HEAD, runs.map(row))}
    ${more && html`<p class="note">There are more; these are the last ${runs.length}.</p>`}`,
});

function row({ name, state, since, status, reason }: ListedRun): (string | Html)[] {
  const round = status?.round === undefined ? '' : `${status.round} of ${status.rounds}`;
  const asked = status?.requested && state !== 'paused' ? `, asked to ${status.requested}` : '';
  return [runLink(name), `${state}${asked}`, round, time(since), remark(name, state, status, reason)];
}

/** What an operator should know or do. */
function remark(name: string, state: ListedRun['state'], status: ListedRun['status'], reason?: string): Html {
  if (status?.failure) return html`<div class="remark">${describeFailure(status, status.failure)}</div>`;
  if (state === 'unanswered') return html`No worker answers for it: <code>selm worker --role control</code>`;
  if (state === 'paused') return html`<code>selm resume ${name}</code>`;
  return html`<div class="remark">${reason}</div>`;
}

export const runLink = (name: string) => html`<a href="/runs/${encodeURIComponent(name)}">${name}</a>`;

const time = (at: Date) =>
  html`<time datetime="${at.toISOString()}">${at.toISOString().slice(0, 16).replace('T', ' ')} UTC</time>`;
