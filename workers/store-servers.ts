/** Records which Temporal servers have runs that use a store: garbage collection must read all of them. */
import { hostname } from 'node:os';
import type { WorkflowService } from '@temporalio/client';
import type { ArtifactStore, StoreServer } from '../artifacts/store.ts';
import { homeFolder } from './places.ts';

interface Connected {
  workflowService: WorkflowService;
}

/** The UUID of a namespace. It stays the same when the server's address changes. */
export async function namespaceId({ workflowService }: Connected, namespace: string): Promise<string> {
  const { namespaceInfo } = await workflowService.describeNamespace({ namespace });
  return namespaceInfo!.id!;
}

/** Records a server in the store. Workers do so before they write anything else into it. */
export async function registerServer(
  store: ArtifactStore,
  connection: Connected,
  { address = 'localhost:7233', namespace }: { address: string | undefined; namespace: string },
): Promise<void> {
  const id = await namespaceId(connection, namespace);
  // The embedded server's address is local to this machine: the host name and the folder identify it.
  const place = `${address.split('@').at(-1)}, namespace ${namespace} (${homeFolder()} on ${hostname()})`;
  const known = (await store.listServers()).find((server) => server.id === id);
  if (known?.place !== place) await store.addServer({ id, place });
}

/**
 * Why the given servers are not enough to know which artifacts are needed. Undefined if they are.
 * @param known the servers of the store
 * @param asked the namespaces' UUIDs
 */
export function missingServers(known: StoreServer[], asked: string[]): string | undefined {
  if (known.length === 0)
    return (
      'this store does not know the Temporal server of its runs. ' +
      'A worker that starts with it (selm run, selm worker) records its server there.'
    );
  const missing = known.filter(({ id }) => !asked.includes(id));
  if (missing.length === 0) return undefined;
  const places = missing.map(({ id, place }) => `${place}: servers/${id} in the store`).join('; ');
  return (
    `runs on other Temporal servers use this store (${places}). Set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, ` +
    'or name their profiles with --profile. If a server no longer exists, remove its file from the store.'
  );
}
