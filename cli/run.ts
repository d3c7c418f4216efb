import { once } from 'node:events';
import { Command } from 'commander';
import type { Client } from '@temporalio/client';
import { InputError } from '../data/errors.ts';
import { onStopSignal } from '../data/stop-signals.ts';
import { waitsForDecision } from '../report/failure.ts';
import { roundNotes } from '../report/rounds.ts';
import { connectClient, connectEmbedded, hasServer } from '../workers/connection.ts';
import { retryRun } from '../workers/decisions.ts';
import { startLocal, type Local } from '../workers/local.ts';
import { findRun, rootCause, RunDiffers, startRun, type RunHandle } from '../workers/runs.ts';
import { openStore } from '../workers/store.ts';
import { overlap, valueAt, type Settings } from '../config/changes.ts';
import { loadConfig } from '../config/load.ts';
import type { RunConfig } from '../config/run.ts';
import { isChangeable } from '../config/set.ts';
import type { RunStatus } from '../workflows/status.ts';
import { DECISION_WANTED, INTERRUPTED } from './errors.ts';
import { runTable } from './run-table.ts';
import { watchRun } from './run-view.ts';
import { setOption } from './set-option.ts';
import { jsonOption, withEngine } from './step.ts';
import type { Device } from '../engine/protocol/settings.ts';

interface RunFlags {
  json?: boolean;
  /** Ends the run of this name that is in progress. */
  restart?: boolean;
  set?: Settings;
}

/** `selm run`: a run with all it needs on this machine, from nothing or from where it was. */
export function runCommand(): Command {
  return new Command('run')
    .description(
      'Start a run, or go on with it, with a server and workers on this machine. Exit code 3: it waits for a decision, and there is no terminal to wait at.',
    )
    .argument('<config>', "A run's YAML file (docs/config.md).")
    .option('--restart', 'End the run of this name that is in progress and start anew; what has not changed is reused.')
    .addOption(setOption("A setting in place of the file's; a run that waits for a decision goes on with it."))
    .addOption(jsonOption())
    .action(async (file: string, flags: RunFlags) => {
      const status = await runHere(loadConfig(file, flags.set), flags).catch((error: unknown) => {
        throw error instanceof RunDiffers ? withRemedies(error, file) : error;
      });
      reportRun(status, flags);
    });
}

const say = (message: string) => console.error(message);

/** Whether somebody can make a decision that a run waits for. */
export const isAttended = ({ json }: { json?: boolean }): boolean =>
  !json && process.stdin.isTTY && process.stderr.isTTY;

/**
 * Runs on this machine until the run ends, or until it waits for a decision that nobody is there to make. Ctrl-C ends the process; a
 * second Ctrl-C kills what does not end.
 * @returns its last status
 * @throws InputError when the run failed by what it was given, or the artifact store cannot be read
 */
export async function runHere(config: RunConfig, flags: RunFlags): Promise<RunStatus> {
  // A store that does not answer is told of here, once; a worker would be started again and again.
  await openStore({ writes: true });
  if (config.device !== undefined) await checkHere(config.device);
  const stop = new AbortController();
  const stopped = once(stop.signal, 'abort').then(() => undefined);
  const connect = hasServer() ? connectClient : connectEmbedded;
  let local: Local | undefined;
  const interrupt = () => {
    if (stop.signal.aborted) return local ? local.kill() : process.exit(INTERRUPTED);
    say('Stopping: what is under way writes its checkpoint. The same command goes on. Ctrl-C again stops at once.');
    stop.abort();
  };
  const ignoreSignals = onStopSignal(interrupt);
  let status: RunStatus | undefined;
  try {
    local = await startLocal(say);
    if (!stop.signal.aborted) status = await Promise.race([stopped, work(connect, config, flags, stop.signal)]);
  } finally {
    await local?.stop();
    ignoreSignals();
  }
  // What still waits for the server would keep an interrupted process alive.
  return status ?? process.exit(INTERRUPTED);
}

/** Starts a run or goes on with it, and shows it. @returns its last status; none where it was stopped */
async function work(
  connect: () => Promise<Client>,
  config: RunConfig,
  flags: RunFlags,
  stop: AbortSignal,
): Promise<RunStatus | undefined> {
  const client = await connect();
  const { handle, attached } = await startOrGoOn(client, config, flags);
  if (attached) say(`Going on with run "${config.name}".`);
  return watchRun(client, handle, { attended: isAttended(flags), stop }).catch((error: unknown) => {
    throw rootCause(error);
  });
}

/** Where `--set` gives all in which the configuration differs from that of the run in progress, the run is retried with it. */
async function startOrGoOn(
  client: Client,
  config: RunConfig,
  { restart, set = {} }: RunFlags,
): Promise<{ handle: RunHandle; attached: boolean }> {
  const keys = Object.keys(set);
  try {
    return await startRun(client, config, { ...(restart && { restart }), set: keys });
  } catch (error) {
    const areSet =
      error instanceof RunDiffers && error.differences.every(({ key }) => keys.some((other) => overlap(key, other)));
    if (!areSet) throw error;
    // As in the configuration, whose paths are relative to its file.
    const settings = Object.fromEntries(keys.map((key) => [key, valueAt(config, key)]));
    await retryRun(client, config.name, undefined, settings, true);
    return { handle: await findRun(client, config.name), attached: true };
  }
}

/** What the user can do about a file that is not what the run was started with. */
function withRemedies({ message, differences }: RunDiffers, file: string): InputError {
  const settings = differences.map(({ key, after }) => `--set ${key}=${JSON.stringify(after)}`).join(' ');
  const settable = differences.every(({ key, after }) => isChangeable(key) && after !== undefined);
  const commands = [`selm run ${file} --restart`, ...(settable ? [`selm run ${file} ${settings}`] : [])];
  return new InputError(
    `${message} --restart ends it and starts anew, reusing what has not changed${settable ? '; --set changes it where it waits for a decision' : ''}: ${commands.join(' | ')}`,
  );
}

/** @throws InputError when this machine cannot compute on the device */
async function checkHere(device: Device): Promise<void> {
  await withEngine((engine) => engine.run('check', { device }));
}

/** Prints what a run came to, and sets the exit code where it waits for a decision. */
export function reportRun(status: RunStatus, { json }: { json?: boolean }): void {
  if (status.start) console.log(runTable(status));
  for (const note of roundNotes(status)) console.log(note);
  if (json) console.log(JSON.stringify(status));
  if (waitsForDecision(status)) process.exitCode = DECISION_WANTED;
}
