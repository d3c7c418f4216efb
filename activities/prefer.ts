/** prefer: makes preferences from the labels of a round. */
import { counted } from '../data/counted.ts';
import { inputOf, type Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { TOKENIZER_FILES } from '../data/model-files.ts';
import type { AnsweredRecord, LabelRecord } from '../data/records.ts';
import { templateInputs } from '../data/template-inputs.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { adviceOnCounts } from '../labelers/advice.ts';
import {
  describeReasons,
  preferencesOf,
  sumStats,
  type LabelStats,
  type PreferenceOptions,
} from '../labelers/preferences.ts';
import type { Truncated } from '../labelers/truncated.ts';
import { label, readLabels } from './label.ts';
import { openPolicyArtifact } from './policy.ts';
import { readShards } from './sample.ts';
import { defineStep } from './step.ts';

export interface PreferInput {
  /** One artifact per shard. Its recipe names the labeled responses. */
  labels: Address[];
  /** Another policy's responses to the same prompts, by shard. If given, the reference responses are taken from these. */
  references?: Address[];
  truncated: Truncated;
}

export const PREFERENCES = 'preferences.jsonl';

/** Selects a chosen and a rejected response for each prompt by the labeler's scores, and writes the preferences. */
export const prefer = defineStep({
  name: 'prefer',
  kind: 'preferences',
  reproducible: true,
  recipe: ({ labels, references, truncated }: PreferInput) => ({
    parameters: { truncated },
    inputs: { labels, ...(references && { references }) },
    seed: 0,
  }),
  computedWith: () => undefined,
  run: async ({ parameters: { truncated }, inputs }, { context: { store }, folder }) => {
    let parts: LabelStats[] = [];
    // One shard at a time: all responses of a round may not fit into memory.
    const preferences = async function* () {
      parts = [];
      for (const [i, shard] of inputs.labels.entries()) {
        const responses = inputOf(await store.manifest(shard), 'responses');
        const shardLabels = await readLabels(store, shard);
        const sampled = await readShards(store, [responses]);
        const isLabeled = labeledRows(sampled, shardLabels);
        const answered = sampled.filter((_, row) => isLabeled[row]);
        const hasOwn = answered.some(({ chosen, rejected }) => chosen !== undefined || rejected !== undefined);
        const encode = hasOwn ? await encoderOf(store, responses) : undefined;
        const { counts } = await label.readSummary(store, shard);
        const references = inputs.references && (await readShards(store, [inputs.references[i]]));
        const others = references?.filter((_, row) => isLabeled[row]) ?? answered;
        const labeled = { labels: shardLabels, counts };
        const part = preferencesOf(answered, labeled, others, { truncated, ...(encode && { encode }) });
        parts.push(part.stats);
        yield* part.preferences;
      }
    };
    await folder.writeRows(PREFERENCES, preferences);
    const stats = sumStats(parts);
    if (stats.preferences === 0) throw new InputError(noPreference(stats, truncated));
    return stats;
  },
});

/** Which rows have labels: late votes are labels of some rows only, in the same order. */
function labeledRows(rows: AnsweredRecord[], labels: LabelRecord[]): boolean[] {
  let next = 0;
  return rows.map(({ id }) => {
    const isLabeled = labels[next]?.id === id;
    next += Number(isLabeled);
    return isLabeled;
  });
}

/** Encodes the data set's own responses with the tokenizer and chat template of the policy that sampled `responses`. */
async function encoderOf(store: ArtifactStore, responses: Address): Promise<PreferenceOptions['encode']> {
  const sampledBy = inputOf(await store.manifest(responses), 'policy');
  const { policy } = await openPolicyArtifact(store, sampledBy, TOKENIZER_FILES);
  const tokenizer = loadTokenizer(policy.model, policy.chatTemplate);
  return (row, text) => {
    const {
      prompt: ids,
      responses: [response],
      isPrefix,
    } = tokenizer.encodeExchange(row.prompt, [text], templateInputs(row));
    return { prompt: ids, response, isPrefix };
  };
}

function noPreference(stats: LabelStats, truncated: Truncated): string {
  const { rows, dropped, counts = {} } = stats;
  return [
    `None of ${counted(rows, 'prompt')} got a preference (${describeReasons(dropped)}): ${remedyFor(stats, truncated)}.`,
    ...adviceOnCounts(counts),
  ].join(' ');
}

function remedyFor(
  { rows, dropped, answers, truncated: count, counts = {} }: LabelStats,
  truncated: Truncated,
): string {
  // Dropped responses are not candidates, so `answers` does not count them.
  const all = truncated === 'drop' ? answers + count : answers;
  if (truncated !== 'keep' && count > all / 2) {
    return (
      `${count} of ${all} responses were truncated at the length limit, and label.truncated is "${truncated}"; ` +
      'raise sample.maxNewTokens, or set label.truncated to keep'
    );
  }
  if (counts['asked'] !== undefined) {
    return (
      `people were asked about ${counts['asked']} of them and preferred a response for ${counts['preferred']}; ` +
      'ask for more votes (label.votes), or give label.otherwise'
    );
  }
  if (dropped.callsAlone > rows / 2) {
    return 'give prompts whose responses have a text, or have people label them (label.by: people)';
  }
  if (dropped.unjudged > rows / 2) return 'the labeler scored too few responses';
  return 'sample more responses per prompt, or at a higher temperature';
}
