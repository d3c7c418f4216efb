/** import-responses: stores the responses of a file, about which people are asked without a run. */
import { join } from 'node:path';
import { patiently } from '../../artifacts/files.ts';
import { hashValue } from '../../artifacts/hash.ts';
import { writeJsonl } from '../../data/jsonl.ts';
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
    await patiently(() => writeJsonl(join(folder, RESPONSES), rows));
    return { prompts: rows.length };
  },
});
