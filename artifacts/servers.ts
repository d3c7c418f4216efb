/** The Temporal namespaces whose runs use a store: `servers/<id>` contains the last known address of each. */
import { z } from 'zod';
import type { StoreServer } from './store.ts';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether the name of a file or object is a namespace's id. The folder may contain other files. */
export const isServerId = (entry: string) => ID.test(entry);

const recordSchema = z.object({
  place: z.string(),
  embedded: z.object({ home: z.string(), host: z.string() }).optional(),
});

/** The content of a server's file. */
export const serverText = ({ place, embedded }: StoreServer): string => JSON.stringify({ place, embedded });

/** Parses a server's file. @param text may be empty, for example after a full disk; the server counts nevertheless */
export function serverOf(id: string, text = ''): StoreServer {
  try {
    return { id, ...recordSchema.parse(JSON.parse(text)) };
  } catch {
    // Earlier versions of selm wrote only the address.
    return { id, place: text || 'an unknown address' };
  }
}
