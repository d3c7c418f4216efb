/** A server's runs on a terminal. */
import { describeFailure } from '../report/failure.ts';
import { roundText, stateText, type ListedRun, type ListedRuns } from '../workers/runs/run-list.ts';
import { terminalTable } from './table.ts';

/** The lines that list runs: a table, and a line for each run that needs a decision or has failed. */
export function runListLines({ runs, more }: ListedRuns): string[] {
  if (runs.length === 0) return ['No runs yet.'];
  const rows = runs.map((run) => [run.name, stateText(run), roundText(run), timeText(run.since)]);
  return [
    terminalTable(rows, { head: ['run', 'state', 'round', 'since'] }),
    ...runs.flatMap(remarks),
    ...(more ? [`There are more; these are the last ${runs.length}.`] : []),
  ];
}

function remarks({ name, state, status, reason, lastKnown }: ListedRun): string[] {
  if (status?.failure) return [`${name}: ${describeFailure(status, status.failure)}`];
  if (reason !== undefined) return [`${name}: ${reason}`];
  if (state !== 'unanswered') return [];
  const last = lastKnown === undefined ? '' : ` (last state: ${lastKnown})`;
  return [`${name}: no worker answers for it${last}: selm worker --role control.`];
}

const timeText = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
