import { Command } from 'commander';
import { readProgress, type PendingActivity } from '../../workers/runs/progress.ts';
import { QUEUES, ROLES } from '../../workers/roles.ts';
import { RunList } from '../../workers/runs/run-list.ts';
import { failureOf, findRun } from '../../workers/runs/runs.ts';
import { benchmarkLines } from '../../report/benchmark-lines.ts';
import { roundNotes } from '../../report/rounds.ts';
import { STEPS } from '../../workflows/status.ts';
import { decisionLines } from '../../report/decisions.ts';
import { describeFailure, NO_NEW_PROMPTS, skippedLines, spentLine } from '../../report/failure.ts';
import { votingLines } from '../../report/voting.ts';
import { runListLines } from '../run-list.ts';
import { runTable } from '../run-table.ts';
import { NO_WORKER, withRuns } from '../server.ts';
import { jsonOption } from '../step.ts';

/** `selm status`: show the status of a run, or list all runs. */
export function statusCommand(): Command {
  return new Command('status')
    .description('Show the status of a run, or list all runs.')
    .argument('[name]', 'Name of the run. Default: all runs.')
    .addOption(jsonOption())
    .action(async (name: string | undefined, flags: { json?: boolean }) => {
      if (name === undefined) return listRuns(flags);
      const { failed, alone, ...progress } = await withRuns(async (client, alone) => {
        const handle = await findRun(client, name);
        return { ...(await readProgress(client, handle)), failed: await failureOf(handle), alone };
      });
      if (flags.json) return console.log(JSON.stringify({ ...progress, failed }));
      const { status, round, voting, pending } = progress;
      // The status of a failed run is that of the moment before.
      if (failed !== undefined) console.log(`${name}: failed. ${failed} selm run starts it again.`);
      const requested = status.requested && status.state !== 'paused' ? `, ${status.requested} requested` : '';
      const state = `${name}: ${status.state}${requested}${round ? `, round ${round.round} of ${status.rounds}` : ''}`;
      if (failed === undefined) console.log(state);
      if (status.promise !== undefined) console.log(status.promise);
      if (status.rounds === 0) console.log(NO_NEW_PROMPTS);
      if (status.failure) console.log(describeFailure(status, status.failure));
      const lines = [...status.repairs, ...skippedLines(status), ...roundNotes(status), ...decisionLines(status)];
      for (const line of lines) console.log(line);
      if (round) console.log(STEPS.map((step) => `${step} ${round.steps[step].state}`).join(', '));
      if (voting) for (const line of votingLines(name, voting)) console.log(line);
      for (const { name: activity, attempt, lastFailure } of pending) {
        if (lastFailure !== undefined) console.log(`${activity} failed (${lastFailure}); attempt ${attempt}.`);
      }
      const abandoned = alone && failed === undefined && status.state === 'running';
      for (const line of abandoned ? [NO_WORKER] : waitingLines(pending)) console.log(line);
      if (status.spent) console.log(spentLine(status.spent, status.gpuSeconds));
      if (status.start) console.log(runTable(status));
      for (const line of benchmarkLines(status)) console.log(line);
    });
}

/** Lists the server's runs. */
async function listRuns({ json }: { json?: boolean }): Promise<void> {
  const listed = await withRuns((client) => new RunList(client).read());
  if (json) console.log(JSON.stringify(listed));
  else for (const line of runListLines(listed)) console.log(line);
}

/** Activities that wait for workers while none of the run is in progress: there is no such worker, or all work for other runs. */
function waitingLines(pending: PendingActivity[]): string[] {
  if (pending.some(({ waitsOn }) => waitsOn === undefined)) return [];
  return ROLES.flatMap((role) => {
    const count = pending.filter(({ waitsOn }) => waitsOn === QUEUES[role]).length;
    if (count === 0) return [];
    return [
      `${count === 1 ? '1 activity waits' : `${count} activities wait`} for a worker: selm worker --role ${role}.`,
    ];
  });
}
