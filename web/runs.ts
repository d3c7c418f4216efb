/** The list of runs. */
import { describeFailure } from '../report/failure.ts';
import { html, type Html } from '../report/html.ts';
import { table } from '../report/layout.ts';
import { roundText, stateText, type ListedRun, type ListedRuns } from '../workers/runs/run-list.ts';
import { liveArea, type Section, type Snapshot } from './live/sections.ts';
import type { Page } from './page.ts';

const HEAD = ['run', 'state', 'round', 'since', ''];

/** The page that lists runs. */
export const runsPage = (listed: ListedRuns): Page => ({
  title: 'runs',
  changes: true,
  live: true,
  content: html`<h1>Runs</h1>
    ${liveArea('/events', [list(listed)])}`,
});

/** The changing part of the page that lists runs. */
export function runsSnapshot(listed: ListedRuns): Snapshot {
  const sections = [list(listed)];
  return { sections: { viewer: sections, operator: sections }, ended: false };
}

const list = ({ runs, more }: ListedRuns): Section => ({
  id: 'run-list',
  content: html`${runs.length === 0 ? html`<p>No runs yet: <code>selm start run.yaml</code> starts one.</p>` : table('runs', HEAD, runs.map(row))}
  ${more && html`<p class="note">There are more; these are the last ${runs.length}.</p>`}`,
});

function row(run: ListedRun): (string | Html)[] {
  return [runLink(run.name), stateText(run), roundText(run), time(run.since), remark(run)];
}

/** Information for the operator about the state of a run. */
function remark({ name, state, status, reason, lastKnown }: ListedRun): Html {
  if (status?.failure) return html`<div class="remark">${describeFailure(status, status.failure)}</div>`;
  if (state === 'unanswered') {
    const last = lastKnown === undefined ? '' : ` (last state: ${lastKnown})`;
    return html`No worker answers for it${last}: <code>selm worker --role control</code>`;
  }
  if (state === 'paused') return html`<code>selm resume ${name}</code>`;
  return html`<div class="remark">${reason}</div>`;
}

/** A link to the page of a run. */
export const runLink = (name: string) => html`<a href="/runs/${encodeURIComponent(name)}">${name}</a>`;

const time = (at: Date) =>
  html`<time datetime="${at.toISOString()}">${at.toISOString().slice(0, 16).replace('T', ' ')} UTC</time>`;
