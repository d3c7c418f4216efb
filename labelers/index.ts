/** The labelers by the name a user gives them. */
import { z } from 'zod';
import type { Labeler } from './labeler.ts';
import { verifier } from './verifier/verifier.ts';

const labelers: Record<LabelSettings['by'], Labeler> = { verifier };

export const labelSchema = z.strictObject({
  by: z
    .enum(['verifier'])
    .default('verifier')
    .describe(
      "Who scores the answers. `verifier` checks the instructions in a prompt's `instruction_id_list`, as IFEval does.",
    ),
});
export type LabelSettings = z.infer<typeof labelSchema>;

export const labelerNames = labelSchema.shape.by.unwrap().options;

export function createLabeler({ by }: LabelSettings): Labeler {
  return labelers[by];
}
