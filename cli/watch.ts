import { Command } from 'commander';
import { findRun, rootCause } from '../workers/runs.ts';
import { INTERRUPTED } from './errors.ts';
import { isAttended, reportRun } from './run.ts';
import { watchRun } from './run-view.ts';
import { withRuns } from './server.ts';
import { jsonOption } from './step.ts';

/** `selm watch`: a run's progress until it ends; Ctrl-C ends the watching alone. */
export function watchCommand(): Command {
  return new Command('watch')
    .description('Watch a run until it ends.')
    .argument('<name>', "The run's name.")
    .addOption(jsonOption())
    .action(async (name: string, flags: { json?: boolean }) => {
      const stop = new AbortController();
      process.once('SIGINT', () => stop.abort());
      const options = { attended: isAttended(flags), stop: stop.signal };
      const status = await withRuns(async (client) => watchRun(client, await findRun(client, name), options)).catch(
        (error: unknown) => {
          throw rootCause(error);
        },
      );
      if (status) reportRun(status, flags);
      else process.exitCode = INTERRUPTED;
    });
}
