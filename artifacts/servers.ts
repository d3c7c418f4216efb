/** The Temporal namespaces whose runs use a store: `servers/<id>` contains the last known address of each. */
import { z } from 'zod';
import { inTurns } from '../data/in-turns.ts';
import type { StoreServer } from './store.ts';
import type { Texts } from './texts.ts';

/** A namespace's id. The folder may contain other files. */
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const recordSchema = z.object({
  place: z.string(),
  embedded: z.object({ home: z.string(), host: z.string() }).optional(),
});

/** As `ArtifactStore.addServer`. */
export const addServer = (texts: Texts, { id, place, embedded }: StoreServer): Promise<void> =>
  texts.write(`servers/${id}`, JSON.stringify({ place, embedded }));

/** As `ArtifactStore.listServers`, ordered by id. */
export async function listServers(texts: Texts): Promise<StoreServer[]> {
  const ids = (await texts.list('servers', 1)).filter((entry) => ID.test(entry)).sort();
  return inTurns(ids, async (id) => serverOf(id, await texts.read(`servers/${id}`)));
}

/** Parses a server's file. @param text may be empty, for example after a full disk; the server counts nevertheless */
function serverOf(id: string, text = ''): StoreServer {
  try {
    return { id, ...recordSchema.parse(JSON.parse(text)) };
  } catch {
    // Earlier versions of selm wrote only the address.
    return { id, place: text || 'an unknown address' };
  }
}
