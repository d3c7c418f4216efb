/** The Temporal namespaces whose runs use a store: `servers/<id>` has the last known place of each. */
import { z } from 'zod';
import type { StoreServer } from './store.ts';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether the name of a file or object is a namespace's id. Other files may be beside them. */
export const isServerId = (entry: string) => ID.test(entry);

const recordSchema = z.object({
  place: z.string(),
  embedded: z.object({ home: z.string(), host: z.string() }).optional(),
});

/** The content of a server's file. */
export const serverText = ({ place, embedded }: StoreServer): string => JSON.stringify({ place, embedded });

/** @param text may be missing, after a full disk for example: the server still counts */
export function serverOf(id: string, text = ''): StoreServer {
  try {
    return { id, ...recordSchema.parse(JSON.parse(text)) };
  } catch {
    // Earlier versions of selm wrote only the place.
    return { id, place: text || 'an unknown address' };
  }
}
