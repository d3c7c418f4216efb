/** ask: selects about which pairs of a round's responses people are asked. */
import { join } from 'node:path';
import { counted } from '../../data/counted.ts';
import type { Address } from '../../artifacts/manifest.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { InputError } from '../../data/errors.ts';
import { readAnswered } from '../../data/readers.ts';
import type { ComputeSettings } from '../../engine/protocol/compute.ts';
import { allPairs, comparableCandidates } from '../../labelers/people/candidates.ts';
import { makeQuestions, type RoundPrompt } from '../../labelers/people/make-questions.ts';
import type { Question } from '../../labelers/people/protocol.ts';
import type { AskSettings } from '../../labelers/people/settings.ts';
import { strategies } from '../../labelers/people/strategies/index.ts';
import type { Candidate } from '../../labelers/people/strategies/strategy.ts';
import type { Truncated } from '../../labelers/truncated.ts';
import { RESPONSES } from '../sample.ts';
import { defineStep, type Activity, type StepResult } from '../step.ts';
import type { StepFolder } from '../step-folder.ts';
import { readCandidateScores, scoreCandidates } from './candidates.ts';
import { GOLD, GUIDELINES, QUESTIONS, readGold } from './questions.ts';

export interface AskInput extends ComputeSettings {
  /** The round's responses, one artifact per shard. */
  responses: Address[];
  /** The policy that sampled them. */
  policy: Address;
  /** The run's start policy. */
  start: Address;
  asking: AskSettings;
  /** β of the objective, for the implicit rewards. */
  beta: number;
  /** The artifact with guidelines and gold questions. */
  guidance?: Address;
  /** Default: keep. */
  truncated?: Truncated;
  seed: number;
  threads: number;
}

/** What the round needs of its questions. */
export interface AskSummary {
  /** All questions, in the order of the blocks. A gold question has no number of votes. */
  questions: Question[];
  /** The ids of the gold questions. */
  gold: string[];
  /** The number of prompts of the round. */
  prompts: number;
  /** How many of the prompts have no two responses that people can compare. */
  unaskable: number;
}

/** Selects the questions of a round. The engine scores the candidates if the strategy needs it. */
export const ask: Activity<AskInput, StepResult<AskSummary>> = async (context, input, options) => {
  const { responses, policy, start, asking, beta, guidance, truncated, seed, ...compute } = input;
  const { needs } = strategies[asking.strategy];
  const score = async (by: Address, features: boolean) => {
    const scores: Address[] = [];
    for (const shard of responses) {
      const scoring = { policy: by, responses: shard, truncated, features, ...compute };
      scores.push((await scoreCandidates(context, scoring, options)).address);
    }
    return scores;
  };
  // Of the start policy itself, all implicit rewards are 0.
  const rewarded = needs.rewards && policy !== start;
  const scores = rewarded || needs.features ? await score(policy, needs.features ?? false) : undefined;
  const startScores = rewarded ? await score(start, false) : undefined;
  return selectQuestions(context, { responses, scores, startScores, asking, beta, guidance, truncated, seed }, options);
};

interface SelectInput extends Pick<AskInput, 'responses' | 'asking' | 'beta' | 'guidance' | 'truncated' | 'seed'> {
  /** Results of `scoreCandidates` for each shard, under the policy that sampled it. */
  scores?: Address[];
  /** Under the run's start policy. */
  startScores?: Address[];
}

/** The step of `ask`, with what the engine has computed among its inputs. */
export const selectQuestions = defineStep({
  name: 'ask',
  kind: 'questions',
  reproducible: true,
  recipe: ({ responses, scores, startScores, asking, beta, guidance, truncated = 'keep', seed }: SelectInput) => ({
    parameters: { asking, ...(startScores && { beta }), truncated },
    inputs: {
      responses,
      ...(scores && { scores }),
      ...(startScores && { startScores }),
      ...(guidance !== undefined && { guidance }),
    },
    seed,
  }),
  computedWith: () => undefined,
  run: async ({ parameters, inputs, seed }, { context: { store }, folder }): Promise<AskSummary> => {
    const { asking } = parameters;
    const { prompts, total } = await readPrompts(store, inputs, parameters);
    if (prompts.length === 0) {
      throw new InputError(
        `None of ${counted(total, 'prompt')} has two different responses to compare: ` +
          'sample more responses per prompt, or at a higher temperature.',
      );
    }
    const { guidance } = inputs;
    const gold = guidance === undefined ? [] : await readGold(store, guidance);
    const records = await makeQuestions(prompts, gold, asking, seed);
    await folder.writeRows(QUESTIONS, records);
    if (guidance !== undefined) await copyGuidance(store, guidance, folder);
    return {
      questions: records.map(({ id, votes }) => ({ id, ...(votes !== undefined && { votes }) })),
      gold: records.filter((record) => record.gold !== undefined).map(({ id }) => id),
      prompts: total,
      unaskable: total - prompts.length,
    };
  },
});

/** The prompts about which people can be asked, and the number of all prompts. */
async function readPrompts(
  store: ArtifactStore,
  { responses, scores, startScores }: Pick<SelectInput, 'responses' | 'scores' | 'startScores'>,
  { asking, beta = 0, truncated }: { asking: AskSettings; beta?: number; truncated: Truncated },
): Promise<{ prompts: RoundPrompt[]; total: number }> {
  const { needs } = strategies[asking.strategy];
  const prompts: RoundPrompt[] = [];
  let total = 0;
  // One shard at a time: all responses of a round may not fit into memory.
  for (const [shard, address] of responses.entries()) {
    // Responses of a file, without a run, have no tokens.
    const rows = await readAnswered(join(await store.open(address), RESPONSES));
    const scored = scores && (await readCandidateScores(store, scores[shard]));
    const scoredByStart = startScores && (await readCandidateScores(store, startScores[shard]));
    total += rows.length;
    for (const [i, row] of rows.entries()) {
      const candidates = comparableCandidates(row, truncated).map((index, at): Candidate => ({
        index,
        reward: scored && scoredByStart ? beta * (scored[i].logps[at] - scoredByStart[i].logps[at]) : 0,
        ...(needs.features && { features: scored![i].features(at) }),
      }));
      const isCut = ({ index }: Candidate) => row.responses[index]?.finish_reason === 'length';
      // Two responses that are never chosen give no preference.
      const pairs = allPairs(candidates.length).filter(
        ([a, b]) => truncated !== 'reject' || !isCut(candidates[a]) || !isCut(candidates[b]),
      );
      if (pairs.length > 0) prompts.push({ id: row.id, shard, candidates, pairs });
    }
  }
  return { prompts, total };
}

async function copyGuidance(store: ArtifactStore, guidance: Address, folder: StepFolder): Promise<void> {
  const from = await store.open(guidance);
  const { files } = await store.manifest(guidance);
  for (const { path } of files.filter((file) => [GUIDELINES, GOLD].includes(file.path))) {
    await folder.copy(join(from, path), path);
  }
}
