import { Command } from 'commander';
import type { Device } from '../engine/target.ts';
import { connectClient } from '../workers/connection.ts';
import { roundNotes } from '../report/rounds.ts';
import { startLocal, type Local } from '../workers/local.ts';
import { rootCause, startRun } from '../workers/runs.ts';
import { openStore } from '../workers/store.ts';
import { loadConfig, type RunConfig } from '../workflows/config.ts';
import type { RunStatus } from '../workflows/status.ts';
import { INTERRUPTED } from './errors.ts';
import { runTable } from './run-table.ts';
import { watchRun } from './run-view.ts';
import { jsonOption, withEngine } from './step.ts';

/** `selm run`: a run with all it needs on this machine, from nothing or from where it was. */
export function runCommand(): Command {
  return new Command('run')
    .description('Start a run, or go on with it, with a server and workers on this machine.')
    .argument('<config>', "A run's YAML file (docs/config.md).")
    .addOption(jsonOption())
    .action(async (file: string, flags: { json?: boolean }) => {
      const status = await runHere(loadConfig(file));
      if (status) reportRun(status, flags);
    });
}

const say = (message: string) => console.error(message);

/**
 * Runs on this machine until the run ends, or until Ctrl-C; a second Ctrl-C kills what does not end.
 * @returns its last status, if it ended
 * @throws InputError when the run failed by what it was given, or the artifact store cannot be read
 */
export async function runHere(config: RunConfig): Promise<RunStatus | undefined> {
  // A store that does not answer is told of here, once; a worker would be started again and again.
  await openStore();
  if (config.device !== undefined) await checkHere(config.device);
  const stop = new AbortController();
  let local: Local | undefined;
  const interrupt = () => {
    if (!stop.signal.aborted) return stop.abort();
    if (!local) process.exit(INTERRUPTED);
    local.kill();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    local = await startLocal(say);
    const client = await connectClient();
    const { handle, attached } = await startRun(client, config);
    if (attached) say(`Going on with run "${config.name}".`);
    const status = await watchRun(client, handle, stop.signal).catch((error: unknown) => {
      throw rootCause(error);
    });
    if (!status) {
      say('Stopping: what is under way writes its checkpoint. The same command goes on. Ctrl-C again stops at once.');
      process.exitCode = INTERRUPTED;
    }
    return status;
  } finally {
    await local?.stop();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** @throws InputError when this machine cannot compute on the device */
async function checkHere(device: Device): Promise<void> {
  await withEngine((engine) => engine.run('check', { device }));
}

export function reportRun(status: RunStatus, { json }: { json?: boolean }): void {
  console.log(runTable(status));
  for (const note of roundNotes(status)) console.log(note);
  if (json) console.log(JSON.stringify(status));
}
