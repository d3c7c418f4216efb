/** import-responses: stores the responses of a file, about which people are asked without a run. */
import { hashValue } from '../../artifacts/hash.ts';
import type { AnsweredRecord } from '../../data/records.ts';
import { RESPONSES } from '../sample.ts';
import { defineStep } from '../step.ts';

/** The artifact is as a shard of sampled responses. The step key depends on the rows. */
export const storeGivenResponses = defineStep({
  name: 'import-responses',
  kind: 'responses',
  reproducible: false,
  recipe: ({ rows }: { rows: AnsweredRecord[] }) => ({
    parameters: { sha256: hashValue(rows) },
    inputs: {},
    seed: 0,
  }),
  run: async (_recipe, { input: { rows }, folder }) => {
    await folder.writeRows(RESPONSES, rows);
    return { prompts: rows.length };
  },
});
