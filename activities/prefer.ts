/** prefer: the labels of a round become preferences. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import { InputError } from '../data/errors.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { adviceOn } from '../labelers/judge/advice.ts';
import { preferencesOf, sumStats, type LabelStats } from '../labelers/preferences.ts';
import { readLabels, type LabelSummary } from './label.ts';
import { readShards } from './sample.ts';
import { readSummary, runStep, type Step, type StepResult } from './step.ts';

export interface PreferInput {
  /** One artifact a shard. The answers are those that it says it was made of. */
  labels: Address[];
  /** Another policy's answers to the same prompts, by shard: where the reference responses are from, if not of the labeled answers. */
  references?: Address[];
}

export const PREFERENCES = 'preferences.jsonl';

export const prefer: Step<PreferInput, StepResult<LabelStats>> = ({ store }, { labels, references }) => {
  const inputs = { labels, ...(references && { references }) };
  const recipe = { step: 'prefer', parameters: {}, inputs, seed: 0 };
  return runStep({ store }, 'preferences', recipe, async (folder) => {
    const parts: LabelStats[] = [];
    // Shard by shard: a step's answers may be more than fits into memory.
    const preferences = async function* () {
      for (const [i, shard] of labels.entries()) {
        const { recipe: made } = await store.manifest(shard);
        const answered = await readShards(store, [made.inputs['responses'] as Address]);
        const { counts } = await readSummary<LabelSummary>(store, shard);
        const others = references ? await readShards(store, [references[i]]) : answered;
        const part = preferencesOf(answered, { labels: await readLabels(store, shard), counts }, others);
        parts.push(part.stats);
        yield* part.preferences;
      }
    };
    await writeJsonl(join(folder, PREFERENCES), preferences());
    const stats = sumStats(parts);
    if (stats.preferences === 0) throw new InputError(noPreference(stats));
    return stats;
  });
};

function noPreference({ rows, dropped, counts = {} }: LabelStats): string {
  const advice =
    dropped.unjudged > rows / 2
      ? 'the labeler judged too few answers'
      : 'sample more answers a prompt, or at a higher temperature';
  return [`None of the ${rows} prompts got a preference (${JSON.stringify(dropped)}): ${advice}.`, ...adviceOn(counts)].join(' '); // prettier-ignore
}
