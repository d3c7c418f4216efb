import type { Client } from '@temporalio/client';
import { Command } from 'commander';
import { onStopSignal } from '../../data/stop-signals.ts';
import { findRun, rootCause } from '../../workers/runs/runs.ts';
import { INTERRUPTED } from '../errors.ts';
import { isAttended, reportRun } from './run.ts';
import { watchRun } from '../run-view.ts';
import { NO_WORKER, withRuns } from '../server.ts';
import { jsonOption } from '../step.ts';

/** `selm watch`: show a run's progress until it ends. Ctrl-C stops watching, not the run. */
export function watchCommand(): Command {
  return new Command('watch')
    .description('Show the progress of a run until it ends. Ctrl-C stops watching, not the run.')
    .argument('<name>', 'Name of the run.')
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
        if (alone && (await handle.describe()).status.name === 'RUNNING') console.error(NO_WORKER);
        return watchRun(client, handle, options);
      };
      const status = await withRuns(watch).catch((error: unknown) => {
        throw rootCause(error);
      });
      if (status) await reportRun(status, flags);
      else process.exitCode = INTERRUPTED;
    });
}
