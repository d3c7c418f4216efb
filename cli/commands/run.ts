import { once } from 'node:events';
import { Command } from 'commander';
import type { Client } from '@temporalio/client';
import { missingPrograms } from '../../activities/benchmarks/program-environment.ts';
import { InputError } from '../../data/errors.ts';
import { onStopSignal } from '../../data/stop-signals.ts';
import { waitsForDecision } from '../../report/failure.ts';
import { roundNotes } from '../../report/rounds.ts';
import { torchEnvironment } from '../../engine/torch/environment.ts';
import { connectClient, connectEmbedded, hasServer } from '../../workers/temporal/connection.ts';
import { retryRun } from '../../workers/runs/decisions.ts';
import { gpuProblem } from '../../workers/machine/gpu-fit.ts';
import { startLocal, type Local } from '../../workers/local.ts';
import { RunDiffers } from '../../workers/temporal/errors.ts';
import { findRun, rootCause, startRun, unfinishedRuns, type RunHandle } from '../../workers/runs/runs.ts';
import { openStore } from '../../workers/store.ts';
import { overlap, valueAt, type Settings } from '../../config/changes.ts';
import { loadConfig } from '../../config/load.ts';
import { outputProblem, publishedPolicy } from '../../config/output-folder.ts';
import type { RunConfig } from '../../config/run.ts';
import { isChangeable } from '../../config/set.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { FAILED } from '../../data/exit-codes.ts';
import { DECISION_WANTED, INTERRUPTED } from '../errors.ts';
import { operatorName } from '../operator.ts';
import { runTable } from '../run-table.ts';
import { watchRun } from '../run-view.ts';
import { setFlag, setOption } from '../set-option.ts';
import { jsonOption } from '../step.ts';

interface RunFlags {
  json?: boolean;
  /** Terminates the run of this name that is in progress. */
  restart?: boolean;
  set?: Settings;
}

/** `selm run`: start or resume a run on this machine. */
export function runCommand(): Command {
  return new Command('run')
    .description(
      'Start or resume a run, with a Temporal server and workers on this machine. Exit code 3: the run waits for a ' +
        'decision, and there is no terminal to ask for it.',
    )
    .argument('<config>', "A run's YAML file (docs/config.md).")
    .option(
      '--restart',
      'Stop the run of this name that is in progress, and start it again; unchanged artifacts are reused.',
    )
    .addOption(setOption('Replace a setting of the file; a run that waits for a decision is retried with it.'))
    .addOption(jsonOption())
    .action(async (file: string, flags: RunFlags) => {
      const config = loadConfig(file, flags.set);
      const status = await runHere(config, flags).catch((error: unknown) => {
        throw error instanceof RunDiffers ? withRemedies(error, file) : error;
      });
      await reportRun(status, flags, config.output);
    });
}

const say = (message: string) => console.error(message);

/** Whether a user at a terminal can be asked for a decision. */
export const isAttended = ({ json }: { json?: boolean }): boolean =>
  !json && process.stdin.isTTY && process.stderr.isTTY;

/**
 * Runs on this machine until the run ends, or until it waits for a decision and there is no terminal for asking.
 * Ctrl-C stops the process; a second Ctrl-C kills it.
 * @returns the last status of the run
 * @throws InputError when the run failed because of its input, or the artifact store cannot be read
 */
export async function runHere(config: RunConfig, flags: RunFlags): Promise<RunStatus> {
  // Reports an unreachable store once. Otherwise the workers would fail and restart repeatedly.
  await openStore({ writes: true });
  const unfit = gpuProblem(config);
  if (unfit !== undefined) throw new InputError(unfit);
  // Each step would say it, after the prompts are prepared.
  if (config.backend === 'torch') torchEnvironment();
  // Each benchmark would say it, after the start policy is measured.
  const [missing] = missingPrograms(config.evaluate.benchmarks ?? []);
  if (missing !== undefined) throw new InputError(missing);
  // Publishing would say it, after all rounds.
  const unusable = config.output === undefined ? undefined : await outputProblem(config.output);
  if (unusable !== undefined) throw new InputError(unusable);
  const stop = new AbortController();
  const stopped = once(stop.signal, 'abort').then(() => undefined);
  const connect = hasServer() ? connectClient : connectEmbedded;
  let local: Local | undefined;
  const interrupt = () => {
    if (stop.signal.aborted) return local ? local.kill() : process.exit(INTERRUPTED);
    say(
      'Stopping: the step in progress writes its checkpoint. The same command resumes the run. Ctrl-C again stops at once.',
    );
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
  // Pending calls to the server would keep an interrupted process alive.
  return status ?? process.exit(INTERRUPTED);
}

/** Starts or resumes a run, and shows its progress. @returns its last status. Undefined if it was interrupted */
async function work(
  connect: () => Promise<Client>,
  config: RunConfig,
  flags: RunFlags,
  stop: AbortSignal,
): Promise<RunStatus | undefined> {
  const client = await connect();
  const { handle, attached } = await startOrResume(client, config, flags);
  if (attached) say(`Resuming run "${config.name}".`);
  if (connect === connectEmbedded) await sayOthers(client, config.name);
  return watchRun(client, handle, { attended: isAttended(flags), stop }).catch((error: unknown) => {
    throw rootCause(error);
  });
}

/** Names the other unfinished runs of the folder: the workers of this machine run their steps, too. */
async function sayOthers(client: Client, name: string): Promise<void> {
  const others = (await unfinishedRuns(client)).filter((other) => other !== name).sort();
  if (others.length === 0) return;
  const named = others.map((other) => `"${other}"`).join(', ');
  say(
    others.length === 1
      ? `Run ${named} is also unfinished: this machine runs its steps, too. To end it: selm stop ${others[0]}`
      : `Runs ${named} are also unfinished: this machine runs their steps, too. To end one: selm stop NAME`,
  );
}

/** Starts or resumes the run. If `--set` gives all differences from the run in progress, that run is retried with them. */
async function startOrResume(
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
    // As in the configuration, paths are relative to its file.
    const settings = Object.fromEntries(keys.map((key) => [key, valueAt(config, key)]));
    await retryRun(client, config.name, { by: operatorName(), settings }, true);
    return { handle: await findRun(client, config.name), attached: true };
  }
}

/** Adds the user's options to the error that the file differs from the run in progress. */
function withRemedies({ message, differences }: RunDiffers, file: string): InputError {
  const settings = differences.map(({ key, after }) => setFlag(key, after)).join(' ');
  const settable = differences.every(({ key, after }) => isChangeable(key) && after !== undefined);
  const commands = [`selm run ${file} --restart`, ...(settable ? [`selm run ${file} ${settings}`] : [])];
  const remedies = [
    '--restart stops it and starts it again, reusing unchanged artifacts',
    ...(settable ? ['--set changes it while it waits for a decision'] : []),
  ];
  return new InputError(`${message} ${remedies.join('; ')}: ${commands.join(' | ')}`);
}

/**
 * Prints the results of a run, and sets the exit code if it waits for a decision or could not write its output.
 * @param output the run's output folder, if it is on this machine
 */
export async function reportRun(status: RunStatus, { json }: { json?: boolean }, output?: string): Promise<void> {
  if (status.start) console.log(runTable(status));
  for (const note of roundNotes(status)) console.log(note);
  if (status.version !== undefined) console.log(`Released: ${status.name}@${status.version}.`);
  if (output !== undefined && status.policy !== undefined && (await publishedPolicy(output)) === status.policy)
    console.log(`The policy is in ${output}.`);
  if (json) console.log(JSON.stringify(status));
  if (status.publication !== undefined) process.exitCode = FAILED;
  if (waitsForDecision(status)) process.exitCode = DECISION_WANTED;
}
