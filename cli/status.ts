import { Command } from 'commander';
import { readProgress } from '../workers/progress.ts';
import { findRun } from '../workers/runs.ts';
import { roundNotes } from '../report/rounds.ts';
import { STEPS } from '../workflows/status.ts';
import { describeFailure, NO_NEW_PROMPTS, skippedLines, spentLine } from '../report/failure.ts';
import { runTable } from './run-table.ts';
import { withRuns } from './server.ts';
import { jsonOption } from './step.ts';

/** `selm status`: show the status of a run. */
export function statusCommand(): Command {
  return new Command('status')
    .description('Show the status of a run.')
    .argument('<name>', 'Name of the run.')
    .addOption(jsonOption())
    .action(async (name: string, flags: { json?: boolean }) => {
      const progress = await withRuns(async (client) => readProgress(client, await findRun(client, name)));
      if (flags.json) return console.log(JSON.stringify(progress));
      const { status, round, pending } = progress;
      const requested = status.requested && status.state !== 'paused' ? `, ${status.requested} requested` : '';
      console.log(`${name}: ${status.state}${requested}${round ? `, round ${round.round} of ${status.rounds}` : ''}`);
      if (status.promise !== undefined) console.log(status.promise);
      if (status.rounds === 0) console.log(NO_NEW_PROMPTS);
      if (status.failure) console.log(describeFailure(status, status.failure));
      for (const line of [...status.repairs, ...skippedLines(status), ...roundNotes(status)]) console.log(line);
      if (round) console.log(STEPS.map((step) => `${step} ${round.steps[step].state}`).join(', '));
      for (const { name: activity, attempt, lastFailure } of pending) {
        if (lastFailure !== undefined) console.log(`${activity} failed (${lastFailure}); attempt ${attempt}.`);
      }
      if (status.spent) console.log(spentLine(status.spent, status.gpuSeconds));
      if (status.start) console.log(runTable(status));
    });
}
