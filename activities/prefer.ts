/** prefer: the labels of a round become preferences. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { toolsOf } from '../data/tools.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { adviceOn } from '../labelers/judge/advice.ts';
import {
  describeReasons,
  preferencesOf,
  sumStats,
  type LabelStats,
  type PreferenceOptions,
} from '../labelers/preferences.ts';
import type { Truncated } from '../labelers/truncated.ts';
import { readLabels, type LabelSummary } from './label.ts';
import { openPolicyArtifact, TOKENIZER_FILES } from './policy.ts';
import { readShards } from './sample.ts';
import { readSummary, runStep, type Step, type StepResult } from './step.ts';

export interface PreferInput {
  /** One artifact a shard. The answers are those that it says it was made of. */
  labels: Address[];
  /** Another policy's answers to the same prompts, by shard: where the reference responses are from, if not of the labeled answers. */
  references?: Address[];
  truncated: Truncated;
}

export const PREFERENCES = 'preferences.jsonl';

export const prefer: Step<PreferInput, StepResult<LabelStats>> = ({ store }, { labels, references, truncated }) => {
  const inputs = { labels, ...(references && { references }) };
  const recipe = { step: 'prefer', parameters: { truncated }, inputs, seed: 0 };
  return runStep({ store }, 'preferences', recipe, async (folder) => {
    const parts: LabelStats[] = [];
    // Shard by shard: a step's answers may be more than fits into memory.
    const preferences = async function* () {
      for (const [i, shard] of labels.entries()) {
        const { recipe: made } = await store.manifest(shard);
        const responses = made.inputs['responses'] as Address;
        const answered = await readShards(store, [responses]);
        const hasOwn = answered.some(({ chosen, rejected }) => chosen !== undefined || rejected !== undefined);
        const encode = hasOwn ? await encoderOf(store, responses) : undefined;
        const { counts } = await readSummary<LabelSummary>(store, shard);
        const others = references ? await readShards(store, [references[i]]) : answered;
        const labeled = { labels: await readLabels(store, shard), counts };
        const part = preferencesOf(answered, labeled, others, { truncated, ...(encode && { encode }) });
        parts.push(part.stats);
        yield* part.preferences;
      }
    };
    await writeJsonl(join(folder, PREFERENCES), preferences());
    const stats = sumStats(parts);
    if (stats.preferences === 0) throw new InputError(noPreference(stats, truncated));
    return stats;
  });
};

/** Encodes the data set's own responses as the policy that has sampled these answers reads them. */
async function encoderOf(store: ArtifactStore, responses: Address): Promise<PreferenceOptions['encode']> {
  const { recipe } = await store.manifest(responses);
  const { policy } = await openPolicyArtifact(store, recipe.inputs['policy'] as Address, TOKENIZER_FILES);
  const tokenizer = loadTokenizer(policy.model, policy.chatTemplate);
  return (row, text) => {
    const {
      prompt: ids,
      responses: [response],
      isPrefix,
    } = tokenizer.encodeExchange(row.prompt, [text], { tools: toolsOf(row) });
    return { prompt: ids, response, isPrefix };
  };
}

function noPreference(stats: LabelStats, truncated: Truncated): string {
  const { rows, dropped, counts = {} } = stats;
  return [
    `None of the ${rows} prompts got a preference (${describeReasons(dropped)}): ${remedyFor(stats, truncated)}.`,
    ...adviceOn(counts),
  ].join(' ');
}

function remedyFor({ rows, dropped, answers, truncated: count }: LabelStats, truncated: Truncated): string {
  // What is dropped is no candidate, and not among the answers.
  const all = truncated === 'drop' ? answers + count : answers;
  if (truncated !== 'keep' && count > all / 2) {
    return `${count} of ${all} answers were cut at the length limit, and label.truncated is "${truncated}"; raise sample.maxNewTokens, or set label.truncated to keep`;
  }
  if (dropped.unjudged > rows / 2) return 'the labeler judged too few answers';
  return 'sample more answers a prompt, or at a higher temperature';
}
