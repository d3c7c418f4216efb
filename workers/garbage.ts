/** Garbage collection: what no run and no name reaches. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { tsToMs } from '@temporalio/common/lib/time.js';
import type { Address, Manifest } from '../artifacts/manifest.ts';
import { ArtifactDamaged, StoreFailed } from '../artifacts/errors.ts';
import type { ArtifactStore, StoredArtifact } from '../artifacts/store.ts';
import { runWorkflowId } from '../workflows/ids.ts';
import { TemporalFailed } from './errors.ts';

/** What runs need. */
export interface Reached {
  addresses: Iterable<Address>;
  /** Since when activities are under way that have not told yet what they have made; undefined where there is none. */
  pendingSince?: Date;
}

/** By so much a server's list of runs may lag behind their start, and clocks may differ. */
export const MARGIN_MILLISECONDS = 60_000;

/**
 * Artifacts that are reached from nowhere.
 * @param readReached addresses to start from, beside the names; what they were made of is reached as well
 * @param before younger ones are kept: somebody may be about to use them. So is all that activities under way may have made
 * @throws where anything that is reached cannot be read: what is reached from there is unknown then
 */
export async function findGarbage(
  store: ArtifactStore,
  readReached: () => Promise<Reached>,
  before: Date,
): Promise<StoredArtifact[]> {
  // Before all else: what comes later, or is taken up by a run that starts meanwhile, is no garbage.
  const artifacts = await store.list();
  const { addresses, pendingSince } = await readReached();
  const youngest = Math.min(before.getTime(), (pendingSince?.getTime() ?? Infinity) - MARGIN_MILLISECONDS);
  const manifests = new Map(artifacts.map(({ address, manifest }) => [address, manifest]));
  const kept = new Set<Address>();
  const open = [
    ...addresses,
    ...(await store.listNames()).map(({ address }) => address),
    ...artifacts.filter(({ created }) => created.getTime() >= youngest).map(({ address }) => address),
  ];
  for (let address = open.pop(); address !== undefined; address = open.pop()) {
    if (kept.has(address)) continue;
    kept.add(address);
    const manifest = manifests.get(address) ?? (await manifestIfThere(store, address));
    // Not from its inputs alone: releases of earlier versions have their evaluations only among their parameters.
    if (manifest) open.push(...addressesIn(manifest.recipe));
  }
  return artifacts.filter(({ address }) => !kept.has(address));
}

/** None where there is no such artifact: histories hold other hashes, too. */
async function manifestIfThere(store: ArtifactStore, address: Address): Promise<Manifest | undefined> {
  try {
    return await store.manifest(address);
  } catch (error) {
    if (!(error instanceof ArtifactDamaged)) throw error;
    if (error.missing) return undefined;
    throw new StoreFailed(
      `Artifact ${address} is in use and its manifest is damaged, so what it was made of is unknown: nothing is removed. Start its run again, which makes it again, or restore it from a backup.`,
      { cause: error },
    );
  }
}

/**
 * Every address in the histories of the runs that a server knows, whatever became of them, and what is under way. A history can
 * be read where no worker answers for the run.
 * @throws TemporalFailed when a payload cannot be decoded, for want of the codec that has encrypted it, say
 */
export async function reachedByRuns(client: Client): Promise<Reached> {
  const addresses = new Set<Address>();
  let pendingSince: number | undefined;
  for await (const { workflowId, runId, status } of client.workflow.list()) {
    if (!workflowId.startsWith(runWorkflowId(''))) continue;
    const { events } = await historyOf(client, workflowId, runId);
    const since = status.name === 'RUNNING' ? firstPending(events ?? []) : undefined;
    if (since !== undefined) pendingSince = Math.min(since, pendingSince ?? since);
    for (const payload of payloadsIn(events)) {
      for (const address of addressesIn(await decode(client, payload, workflowId))) addresses.add(address);
    }
  }
  return { addresses, ...(pendingSince !== undefined && { pendingSince: new Date(pendingSince) }) };
}

/** When the activity was scheduled, in milliseconds, that has been under way longest. */
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

/** An empty one where the server has removed the execution meanwhile. */
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
    const [value] = await decodeArrayFromPayloads(client.options.loadedDataConverter, [payload]);
    return value;
  } catch (error) {
    throw new TemporalFailed(
      `The history of ${workflowId} cannot be decoded (${(error as Error).message}), so what it needs is unknown: nothing is removed.`,
      { cause: error },
    );
  }
}

const ADDRESS = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g;

/** All that reads as an address, in whatever part of a value. */
function addressesIn(value: unknown): Address[] {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : (JSON.stringify(value) ?? '');
  return text.match(ADDRESS) ?? [];
}

/** All payloads, wherever in a history's events they are. */
function* payloadsIn(value: unknown): Generator<Payload> {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  if ('data' in value && value.data instanceof Uint8Array) return yield value as Payload;
  for (const inner of Object.values(value)) yield* payloadsIn(inner);
}
