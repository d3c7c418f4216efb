/** Client functions for runs: start, find and query them. */
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError, WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, WorkflowIdConflictPolicy, type QueryDefinition } from '@temporalio/common';
import { counted } from '../../data/counted.ts';
import { hashValue } from '../../artifacts/hash.ts';
import { InputError } from '../../data/errors.ts';
import { alignment } from '../../workflows/alignment.ts';
import { differencesOf, overlap } from '../../config/changes.ts';
import type { RunConfig } from '../../config/run.ts';
import { newJournal } from '../../workflows/journal.ts';
import { lateVotesQuery, type LateVote } from '../../workflows/people/late.ts';
import { CONTROL_QUEUE } from '../../workflows/queues.ts';
import { runNameOf, runWorkflowId } from '../../workflows/ids.ts';
import { isUnanswered, NoRun, RunDiffers, RunUnanswered } from '../temporal/errors.ts';
import { configsOf } from './run-config.ts';
import { withAttributes } from '../temporal/search-attributes.ts';

export type RunHandle = WorkflowHandle<typeof alignment>;

/**
 * Starts a run, or attaches to the run of the same name that is in progress. If a run of that name has finished, a new one starts and
 * reuses the artifacts of all unchanged steps.
 * @param options.restart terminates the run in progress first
 * @param options.set the keys of `--set`
 * @throws RunDiffers when the configuration differs from that of the run in progress. A setting that operators have changed differs only
 *   if `config` has neither its current value nor the one that the run started with, or if it is a key of `--set`
 */
export async function startRun(
  client: Client,
  config: RunConfig,
  { restart = false, set = [] }: { restart?: boolean; set?: string[] } = {},
): Promise<{ handle: RunHandle; attached: boolean }> {
  const fingerprint = hashValue(config);
  const starter = randomUUID();
  const lateVotes = restart && config.label.by === 'people' ? await lateVotesOf(client, config.name) : [];
  if (restart) await endRun(client, config.name);
  const handle = await withAttributes(client, config.name, (attributes) =>
    client.workflow.start(alignment, {
      workflowId: runWorkflowId(config.name),
      taskQueue: CONTROL_QUEUE,
      args: lateVotes.length > 0 ? [config, { ...newJournal(), lateVotes }] : [config],
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
      memo: { fingerprint, starter },
      staticSummary: summaryOfRun(config),
      ...attributes,
    }),
  );
  const { memo } = await handle.describe();
  if (memo?.['starter'] === starter) return { handle, attached: false };
  if (memo?.['fingerprint'] !== fingerprint || set.length > 0) {
    const { started, inForce } = await configsOf(client, handle);
    const wanted = [...set, ...differencesOf(started, config).map(({ key }) => key)];
    const differences = differencesOf(inForce, config).filter(({ key }) => wanted.some((other) => overlap(key, other)));
    if (differences.length > 0) throw new RunDiffers(config.name, differences);
  }
  return { handle, attached: true };
}

/** The names of the runs in the client's namespace that have not ended. */
export async function unfinishedRuns(client: Client): Promise<string[]> {
  const names: string[] = [];
  const query = `WorkflowType = 'alignment' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query })) names.push(runNameOf(workflowId));
  return names;
}

/** A run's summary in Temporal's UI. */
export const summaryOfRun = ({ model, rounds, label, optimize }: RunConfig): string =>
  `${model}: ${counted(rounds, 'round')} of ${optimize.objective.name}, labeled by ${label.by}`;

/** The votes that a run keeps for a next round. Empty if it does not answer, for example because no worker can replay it. */
async function lateVotesOf(client: Client, name: string): Promise<LateVote[]> {
  const handle = client.workflow.getHandle(runWorkflowId(name));
  return client.withDeadline(Date.now() + 10_000, () => handle.query(lateVotesQuery)).catch(() => []);
}

/** Terminates the run of this name and its round, if one is in progress. Its artifacts stay in the store. */
async function endRun(client: Client, name: string): Promise<void> {
  const handle = client.workflow.getHandle(runWorkflowId(name));
  try {
    const { raw } = await handle.describe();
    await handle.terminate('restarted with selm run --restart');
    // Otherwise the server would terminate the round later, and its workflow id would be in use until then.
    for (const { workflowId } of raw.pendingChildren ?? []) await client.workflow.getHandle(workflowId!).terminate();
  } catch (error) {
    // The round has already ended.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** @throws NoRun when there is no run of that name */
export async function findRun(client: Client, name: string): Promise<RunHandle> {
  const handle = client.workflow.getHandle<typeof alignment>(runWorkflowId(name));
  try {
    await handle.describe();
    return handle;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw new NoRun(name);
    throw error;
  }
}

/** @throws RunUnanswered when no worker answers the query */
export async function queryRun<Answer, Args extends unknown[]>(
  handle: RunHandle,
  query: QueryDefinition<Answer, Args>,
  ...args: Args
): Promise<Answer> {
  try {
    return await handle.query(query, ...args);
  } catch (error) {
    throw isUnanswered(error) ? new RunUnanswered(runNameOf(handle.workflowId), error) : error;
  }
}

/** Why a run failed; undefined if it has not. */
export async function failureOf(handle: RunHandle): Promise<string | undefined> {
  const { status } = await handle.describe();
  if (status.name === 'TERMINATED') return 'It was terminated.';
  if (status.name !== 'FAILED') return undefined;
  return handle.result().then(
    () => undefined,
    (error: unknown) => (rootCause(error) as Error).message,
  );
}

/** Why a run failed: the activity's error, without Temporal's wrapping errors. */
export function rootCause(error: unknown): unknown {
  if (!(error instanceof WorkflowFailedError)) return error;
  let cause = error.cause;
  while (cause?.cause instanceof Error) cause = cause.cause;
  const isInput = cause instanceof ApplicationFailure && cause.type === InputError.name;
  return isInput ? new InputError(cause!.message) : new Error(cause?.message ?? error.message);
}
