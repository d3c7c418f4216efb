/** `GET /v1/models`. */
import { z } from 'zod';

export const modelCard = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  /** vLLM fields of an adapter: the folder that it was loaded from, and its base model. */
  root: z.string().optional(),
  parent: z.string().optional(),
});
export type ModelCard = z.infer<typeof modelCard>;

export const modelList = z.object({ object: z.literal('list'), data: z.array(modelCard) });
export type ModelList = z.infer<typeof modelList>;
