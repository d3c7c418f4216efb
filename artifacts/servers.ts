/** The Temporal namespaces whose runs use a store: `servers/<id>` says where each was last found. */
import { z } from 'zod';
import type { StoreServer } from './store.ts';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether a file or an object names a server by its own name: others may leave files there, too. */
export const isServerId = (entry: string) => ID.test(entry);

const recordSchema = z.object({
  place: z.string(),
  embedded: z.object({ home: z.string(), host: z.string() }).optional(),
});

/** The content of a server's file. */
export const serverText = ({ place, embedded }: StoreServer): string => JSON.stringify({ place, embedded });

/** Its text may be gone, after a full disk for example: that there is such a server is what counts. */
export function serverOf(id: string, text = ''): StoreServer {
  try {
    return { id, ...recordSchema.parse(JSON.parse(text)) };
  } catch {
    // Earlier versions of selm wrote the place only.
    return { id, place: text || 'an unknown address' };
  }
}
