/** evaluate: compares a policy's responses with another policy's, by the labeler's scores. */
import { inputOf, type Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { inTurns } from '../data/in-turns.ts';
import { compare, judgedAnswers, type JudgedAnswer } from '../evaluation/comparison.ts';
import { readDivergences } from './divergence.ts';
import { readLabels } from './label.ts';
import { readShards } from './sample.ts';
import { defineStep } from './step.ts';

export interface EvaluateInput {
  /** Results of `labelHeldOut`, one artifact per shard. Its recipe names the labeled responses. */
  labels: Address[];
  opponent?: {
    /** The opponent's labels. They equal the policy's if the two policies' responses were labeled together. */
    labels: Address[];
    /** Results of `divergence` on the policy's greedy responses, one artifact per shard. Absent: KL is not reported. */
    divergences?: Address[];
    /** The same on responses sampled at temperature 1. */
    sampledDivergences?: Address[];
  };
  seed: number;
}

/** Summarizes the scores of a policy, and compares them with the scores of the opponent, if one is given. */
export const evaluate = defineStep({
  name: 'evaluate',
  kind: 'evaluation',
  reproducible: true,
  recipe: ({ labels, opponent, seed }: EvaluateInput) => {
    const { labels: opponentLabels, ...divergences } = opponent ?? {};
    return {
      parameters: {},
      inputs: { labels, ...(opponentLabels && { opponent: opponentLabels, ...divergences }) },
      seed,
    };
  },
  computedWith: () => undefined,
  run: async ({ inputs, seed }, { context: { store }, folder }) => {
    const { labels, opponent, divergences, sampledDivergences } = inputs;
    const other = opponent && {
      judged: await readJudged(store, opponent, 'against'),
      ...(divergences && { divergences: await readDivergences(store, divergences) }),
      ...(sampledDivergences && { sampledDivergences: await readDivergences(store, sampledDivergences) }),
    };
    const { comparison, rows } = compare(await readJudged(store, labels), other, seed);
    await folder.writeRows('answers.jsonl', rows);
    return comparison;
  },
});

/** Responses with their verdicts. @param side 'against': those of the opponent, if a shard's labels contain both policies' responses */
async function readJudged(store: ArtifactStore, labels: Address[], side?: 'against'): Promise<JudgedAnswer[]> {
  const shards = await inTurns(labels, async (shard) => {
    const manifest = await store.manifest(shard);
    const role = side !== undefined && side in manifest.recipe.inputs ? side : 'responses';
    const answered = await readShards(store, [inputOf(manifest, role)]);
    return judgedAnswers(answered, await readLabels(store, shard), role === 'against' ? 1 : 0);
  });
  return shards.flat();
}
