/** The page of a run: its report, and its activities if it is in progress. */
import type { Client } from '@temporalio/client';
import type { ReadableStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { html, type Html } from '../report/html.ts';
import { table } from '../report/layout.ts';
import { content } from '../report/page.ts';
import { readReport } from '../report/read.ts';
import { readRecord } from '../workers/history.ts';
import { readProgress, type PendingActivity, type RunProgress } from '../workers/progress.ts';
import { findRun } from '../workers/runs.ts';
import { STEPS, type RunStatus, type StepStatus } from '../workflows/status.ts';
import type { Page } from './page.ts';

/** The name of a run. The name of a scheduled run contains its start time. */
const NAME = /^[\w.:-]+$/;

/** Timeout of queries to a run; shorter than for commands. */
const ANSWER_SECONDS = 3;

/** The page of a run. @throws InputError when there is no such run, or the run failed without results */
export async function runPage(client: Client, store: ReadableStore, name: string): Promise<Page> {
  if (!NAME.test(name)) throw new InputError(`There is no run named "${name}".`);
  const record = await readRecord(client, name, ANSWER_SECONDS);
  const report = content(await readReport(store, record));
  if (hasEnded(record.status)) return { title: name, content: report, changes: false };
  const progress = await readProgress(client, await findRun(client, name));
  return { title: name, content: html`${report}${now(progress)}`, changes: true };
}

const hasEnded = ({ state }: RunStatus) => state === 'done' || state === 'stopped';

/** The steps of the current round, and the activities that are running or waiting for a retry. */
function now({ round, pending }: RunProgress): Html {
  const steps = round && STEPS.map((step) => [step, stateOf(round.steps[step]), counted(round.steps[step])]);
  return html`<section>
    <h2>Now</h2>
    ${steps && table('steps', [`round ${round.round}`, '', 'activities'], steps)}
    ${pending.length > 0 && table('activities', ['activity', 'attempt', 'progress', ''], pending.map(activity))}
    ${!steps && pending.length === 0 && html`<p>No activity is running.</p>`}
  </section>`;
}

const stateOf = ({ state, reused, total }: StepStatus) =>
  state === 'done' && total > 0 && reused === total ? 'reused' : state;

const counted = ({ state, done, total }: StepStatus) => (state === 'waiting' ? '' : `${done} of ${total}`);

const activity = ({ name, attempt, progress, lastFailure }: PendingActivity): (string | Html)[] => [
  name,
  String(attempt),
  progress ? `${progress.done} of ${progress.total} ${progress.unit}` : '',
  html`<div class="remark">${lastFailure !== undefined && `failed before: ${lastFailure}`}</div>`,
];
