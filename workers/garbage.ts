/** Garbage collection: finds artifacts that are not reachable from a run or a name. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { tsToMs } from '@temporalio/common/lib/time.js';
import type { Address, Manifest, Recipe } from '../artifacts/manifest.ts';
import { copiedModel } from '../artifacts/models.ts';
import { ArtifactDamaged, StoreFailed } from '../artifacts/errors.ts';
import type { ArtifactStore, StoredArtifact } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { runWorkflowId } from '../workflows/ids.ts';
import { shardBlock } from '../workflows/shards.ts';
import { Undecodable } from './temporal/data-converter.ts';
import { TemporalFailed } from './temporal/errors.ts';
import { decodePayload } from './temporal/payloads.ts';

/** The result of reading runs: the artifacts that they need. */
export interface Reached {
  addresses: Iterable<Address>;
  /** When the oldest unfinished activity was scheduled. Undefined if there is none. */
  pendingSince?: Date;
}

/** Margin for the lag of a server's list of runs and for clock differences. */
export const MARGIN_MILLISECONDS = 60_000;

/**
 * Finds unreachable artifacts.
 * @param readReached reads addresses to start from, besides the names. The inputs of a reachable artifact are reachable as well
 * @param before younger artifacts are kept, because a run may be about to use them. Possible results of unfinished activities are kept
 * @throws if the manifest of a reachable artifact cannot be read, because its inputs are then unknown
 */
export async function findGarbage(
  store: ArtifactStore,
  readReached: () => Promise<Reached>,
  before: Date,
): Promise<StoredArtifact[]> {
  // Read before everything else, so that artifacts created or reused meanwhile do not count as garbage.
  const artifacts = await store.list();
  const { addresses, pendingSince } = await readReached();
  const youngest = Math.min(before.getTime(), (pendingSince?.getTime() ?? Infinity) - MARGIN_MILLISECONDS);
  const manifests = new Map(artifacts.map(({ address, manifest }) => [address, manifest]));
  const copies = artifacts.filter(({ manifest }) => copiedModel(manifest.recipe) !== undefined);
  const kept = new Set<Address>();
  const open = [
    ...addresses,
    ...(await store.listNames()).map(({ address }) => address),
    ...artifacts.filter(({ created }) => created.getTime() >= youngest).map(({ address }) => address),
    // People's votes cannot be computed again, and histories that name them may have expired.
    ...artifacts.filter(({ manifest }) => manifest.kind === 'votes').map(({ address }) => address),
  ];
  for (let address = open.pop(); address !== undefined; address = open.pop()) {
    if (kept.has(address)) continue;
    kept.add(address);
    const manifest = manifests.get(address) ?? (await manifestIfThere(store, address));
    // Searches the entire recipe: releases of earlier versions refer to their evaluations only in the parameters.
    if (!manifest) continue;
    open.push(...addressesIn(manifest.recipe));
    // Policies and labels name models of the hub by their commit, not by the address of the store's copy.
    const models = new Set<string | undefined>(modelsIn(manifest.recipe));
    open.push(...copies.filter((copy) => models.has(copiedModel(copy.manifest.recipe))).map((copy) => copy.address));
  }
  return artifacts.filter(({ address }) => !kept.has(address));
}

/** @returns undefined if there is no such artifact, because histories also contain other hashes */
async function manifestIfThere(store: ArtifactStore, address: Address): Promise<Manifest | undefined> {
  try {
    return await store.manifest(address);
  } catch (error) {
    if (!(error instanceof ArtifactDamaged)) throw error;
    if (error.missing) return undefined;
    throw new StoreFailed(
      `Artifact ${address} is in use and its manifest is damaged, so its inputs are unknown: nothing is removed. ` +
        'Start its run again, which makes it again, or restore it from a backup.',
      { cause: error },
    );
  }
}

/**
 * Finds every address in the histories of all runs on a server, and unfinished activities. Reading a history needs no worker.
 * @throws TemporalFailed when a payload cannot be decoded, for example without its codec
 */
export async function reachedByRuns(client: Client): Promise<Reached> {
  const addresses = new Set<Address>();
  let pendingSince: number | undefined;
  for await (const { workflowId, runId, status, type } of client.workflow.list()) {
    // A block of shards has a random id. Until it ends, its history is the only one that names the artifacts of its shards.
    if (!workflowId.startsWith(runWorkflowId('')) && type !== shardBlock.name) continue;
    const { events } = await historyOf(client, workflowId, runId);
    const since = status.name === 'RUNNING' ? firstPending(events ?? []) : undefined;
    if (since !== undefined) pendingSince = Math.min(since, pendingSince ?? since);
    for (const payload of payloadsIn(events)) {
      for (const address of addressesIn(await decode(client, payload, workflowId))) addresses.add(address);
    }
  }
  return { addresses, ...(pendingSince !== undefined && { pendingSince: new Date(pendingSince) }) };
}

/** When the oldest unfinished activity was scheduled, in milliseconds since 1970. */
function firstPending(events: NonNullable<History['events']>): number | undefined {
  const scheduled = new Map<string, number>();
  for (const event of events) {
    if (event.activityTaskScheduledEventAttributes) scheduled.set(String(event.eventId), tsToMs(event.eventTime));
    const ended =
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    if (ended) scheduled.delete(String(ended.scheduledEventId));
  }
  return scheduled.size === 0 ? undefined : Math.min(...scheduled.values());
}

/** @returns an empty history if the server has removed the execution meanwhile */
async function historyOf(client: Client, workflowId: string, runId: string): Promise<Pick<History, 'events'>> {
  try {
    return await client.workflow.getHandle(workflowId, runId).fetchHistory();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { events: [] };
    throw error;
  }
}

async function decode(client: Client, payload: Payload, workflowId: string): Promise<unknown> {
  try {
    return await decodePayload(client, payload);
  } catch (error) {
    // The error of a missing or wrong codec already names the remedy.
    if (error instanceof Undecodable) throw new InputError(`Nothing is removed: ${workflowId}: ${error.message}`);
    throw new TemporalFailed(
      `The history of ${workflowId} cannot be decoded (${(error as Error).message}), ` +
        'so what it needs is unknown: nothing is removed.',
      { cause: error },
    );
  }
}

const ADDRESS = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g;

/** Every string in a value that has the form of an address. */
function addressesIn(value: unknown): Address[] {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : (JSON.stringify(value) ?? '');
  return text.match(ADDRESS) ?? [];
}

const PINNED_MODEL = /(?<![\w./-])\w[\w.-]*\/\w[\w.-]*@[0-9a-f]{40}(?![0-9a-f])/g;

/** Every hub id with its commit in a recipe. */
const modelsIn = (recipe: Recipe): string[] => JSON.stringify(recipe).match(PINNED_MODEL) ?? [];

/** All payloads of a history's events. */
function* payloadsIn(value: unknown): Generator<Payload> {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  if ('data' in value && value.data instanceof Uint8Array) return yield value as Payload;
  for (const inner of Object.values(value)) yield* payloadsIn(inner);
}
