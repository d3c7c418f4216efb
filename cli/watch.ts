import type { Client } from '@temporalio/client';
import { Command } from 'commander';
import { onStopSignal } from '../data/stop-signals.ts';
import { findRun, rootCause } from '../workers/runs.ts';
import { INTERRUPTED } from './errors.ts';
import { isAttended, reportRun } from './run.ts';
import { watchRun } from './run-view.ts';
import { NO_WORKER, withRuns } from './server.ts';
import { jsonOption } from './step.ts';

/** `selm watch`: a run's progress until it ends; Ctrl-C ends the watching alone. */
export function watchCommand(): Command {
  return new Command('watch')
    .description('Watch a run until it ends.')
    .argument('<name>', "The run's name.")
    .addOption(jsonOption())
    .action(async (name: string, flags: { json?: boolean }) => {
      const stop = new AbortController();
      const ignoreSignals = onStopSignal(() => {
        stop.abort();
        ignoreSignals();
      });
      const options = { attended: isAttended(flags), stop: stop.signal };
      const watch = async (client: Client, alone: boolean) => {
        const handle = await findRun(client, name);
        if (alone) console.error(NO_WORKER);
        return watchRun(client, handle, options);
      };
      const status = await withRuns(watch).catch((error: unknown) => {
        throw rootCause(error);
      });
      if (status) reportRun(status, flags);
      else process.exitCode = INTERRUPTED;
    });
}
