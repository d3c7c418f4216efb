/** Records which Temporal servers have runs that use a store. Garbage collection must read all of them. */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { WorkflowService } from '@temporalio/client';
import type { ArtifactStore, StoreServer } from '../artifacts/store.ts';
import { database, readRegistration } from './dev-server/registration.ts';
import { homeFolder } from './places.ts';

interface Connected {
  workflowService: WorkflowService;
}

/** The UUID of a namespace. It stays the same when the server's address changes. */
export async function namespaceId({ workflowService }: Connected, namespace: string): Promise<string> {
  const { namespaceInfo } = await workflowService.describeNamespace({ namespace });
  return namespaceInfo!.id!;
}

/** Records a server in the store. Workers call this before they write anything else into the store. */
export async function registerServer(
  store: ArtifactStore,
  connection: Connected,
  { address = 'localhost:7233', namespace }: { address: string | undefined; namespace: string },
): Promise<void> {
  const id = await namespaceId(connection, namespace);
  const [home, host] = [homeFolder(), hostname()];
  // The embedded server's address is only valid on this machine and while a command runs.
  const server =
    readRegistration()?.address === address
      ? { id, place: `the embedded server of ${home} on ${host}`, embedded: { home, host } }
      : { id, place: `${address.split('@').at(-1)}, namespace ${namespace} (used from ${home} on ${host})` };
  const known = (await store.listServers()).find((other) => other.id === id);
  if (!isDeepStrictEqual(known, server)) await store.addServer(server);
}

/** The home folders of a store's embedded servers that can be started here. @param asked namespace UUIDs of servers already read */
export const startableHomes = (known: StoreServer[], asked: Set<string>): string[] =>
  known.flatMap(({ id, embedded }) =>
    embedded && !asked.has(id) && whereIs(embedded) === 'here' ? embedded.home : [],
  );

function whereIs({ home, host }: NonNullable<StoreServer['embedded']>): 'here' | 'gone' | 'elsewhere' {
  if (host !== hostname()) return 'elsewhere';
  return existsSync(database(home)) ? 'here' : 'gone';
}

/**
 * Why the servers that were read are not sufficient to know which artifacts are needed. Undefined if they are.
 * @param known the store's servers
 * @param asked namespace UUIDs of the servers that were read
 */
export function missingServers(known: StoreServer[], asked: Set<string>): string | undefined {
  if (known.length === 0)
    return (
      'this store does not know the Temporal server of its runs. ' +
      'A worker that starts with it (selm run, selm worker) records its server there.'
    );
  const missing = known.filter(({ id }) => !asked.has(id));
  if (missing.length === 0) return undefined;
  return `runs on other Temporal servers use this store: ${missing.map(remedyFor).join(' ')}`;
}

/** The remedy for a server that was not read. */
function remedyFor({ id, place, embedded }: StoreServer): string {
  const forget = `remove servers/${id} from the store`;
  if (!embedded)
    return (
      `${place}: set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, or name its profile with --profile; ` +
      `if the server no longer exists, ${forget}.`
    );
  const where = whereIs(embedded);
  if (where === 'elsewhere')
    return (
      `${place}: it runs on that machine only. Let all runs that share the store use one server (TEMPORAL_ADDRESS); ` +
      `when the runs of that folder are no longer needed, ${forget}.`
    );
  if (where === 'gone')
    return (
      `${place}: its database is not there. If the folder was moved, run SELM_HOME=FOLDER selm gc with its new place, ` +
      `which is recorded then; if it was deleted, ${forget}.`
    );
  return `${place}: the folder has a new database, and the runs of the former one are gone: ${forget}.`;
}
