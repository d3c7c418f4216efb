/** label: the answers of a round become preferences. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import { InputError } from '../data/errors.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { createLabeler, type LabelSettings } from '../labelers/index.ts';
import { label as labelRows, sumStats, type LabelStats } from '../labelers/preferences.ts';
import { readShards } from './sample.ts';
import { runStep, type Step, type StepResult } from './step.ts';

export interface LabelInput {
  responses: Address[];
  label: LabelSettings;
}

export const PREFERENCES = 'preferences.jsonl';

export const label: Step<LabelInput, StepResult<LabelStats>> = (rooms, { responses, label }) => {
  const recipe = { step: 'label', parameters: label, inputs: { responses }, seed: 0 };
  return runStep(rooms, 'preferences', recipe, async (folder) => {
    const labeler = createLabeler(label);
    const parts: LabelStats[] = [];
    // Shard by shard: a step's answers may be more than fits into memory.
    const preferences = async function* () {
      for (const shard of responses) {
        const labeled = await labelRows(await readShards(rooms.store, [shard]), labeler);
        parts.push(labeled.stats);
        yield* labeled.preferences;
      }
    };
    await writeJsonl(join(folder, PREFERENCES), preferences());
    const stats = sumStats(parts);
    if (stats.preferences === 0) {
      throw new InputError(
        `None of the ${stats.rows} prompts got a preference (${JSON.stringify(stats.dropped)}): sample more answers a prompt, or at a higher temperature.`,
      );
    }
    return stats;
  });
};
