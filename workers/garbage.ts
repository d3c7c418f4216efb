/** Garbage collection: what no run and no name reaches. */
import type { Client } from '@temporalio/client';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore, StoredArtifact } from '../artifacts/store.ts';
import { runWorkflowId } from '../workflows/ids.ts';

const ADDRESS = /\b[0-9a-f]{64}\b/g;

/**
 * Artifacts that are reached from nowhere.
 * @param reached addresses to start from, beside the names; what they were made of is reached as well
 * @param before younger ones are kept: somebody may be about to use them
 */
export async function findGarbage(
  store: ArtifactStore,
  reached: Iterable<Address>,
  before: Date,
): Promise<StoredArtifact[]> {
  const artifacts = await store.list();
  const byAddress = new Map(artifacts.map((artifact) => [artifact.address, artifact]));
  const kept = new Set<Address>();
  const open = [
    ...reached,
    ...(await store.listNames()).map(({ address }) => address),
    ...artifacts.filter(({ created }) => created >= before).map(({ address }) => address),
  ];
  for (let address = open.pop(); address !== undefined; address = open.pop()) {
    const artifact = byAddress.get(address);
    if (!artifact || kept.has(address)) continue;
    kept.add(address);
    open.push(...Object.values(artifact.manifest.recipe.inputs).flat());
  }
  return artifacts.filter(({ address }) => !kept.has(address));
}

/**
 * Every address in the histories of the runs that a server knows, whatever became of them. A history can be read where no
 * worker answers for the run.
 */
export async function addressesOfRuns(client: Client): Promise<Set<Address>> {
  const addresses = new Set<Address>();
  for await (const { workflowId, runId } of client.workflow.list()) {
    if (!workflowId.startsWith(runWorkflowId(''))) continue;
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    for (const data of payloadsIn(events)) {
      for (const [address] of Buffer.from(data).toString().matchAll(ADDRESS)) addresses.add(address);
    }
  }
  return addresses;
}

/** The data of all payloads, wherever in a history's events they are. */
function* payloadsIn(value: unknown): Generator<Uint8Array> {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'data' && inner instanceof Uint8Array) yield inner;
    else yield* payloadsIn(inner);
  }
}
