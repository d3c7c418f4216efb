/** Measures of a policy on fresh responses: sampled at temperature 1, to held-out prompts. */
import { join } from 'node:path';
import { divergence, readDivergences } from '../../activities/divergence.ts';
import { readLabels } from '../../activities/label.ts';
import { prefer, PREFERENCES } from '../../activities/prefer.ts';
import type { PromptSet } from '../../activities/prepare.ts';
import { reference, REFERENCE_LOGPS } from '../../activities/reference.ts';
import { readShards, sample } from '../../activities/sample.ts';
import type { StepContext } from '../../activities/step.ts';
import type { Address } from '../../artifacts/manifest.ts';
import type { RunConfig } from '../../config/run.ts';
import { InputError } from '../../data/errors.ts';
import { readJsonl } from '../../data/jsonl.ts';
import { readPreferences } from '../../data/readers.ts';
import { referenceLogpsSchema, type PreferenceRecord } from '../../data/records.ts';
import { needsOf } from '../../engine/protocol/objectives.ts';
import type { ObjectiveSettings } from '../../engine/protocol/settings.ts';
import { mean } from '../../data/numbers.ts';
import { heldOutSampling } from '../../workflows/round-plan.ts';
import { shardsOf } from '../../workflows/shards.ts';
import type { Fresh, StartFresh } from './results.ts';
import { inOrder, labelByConfig } from './rounds.ts';

/** Responses per prompt. */
export const SAMPLES = 16;
/** The same for all runs: they share the start policy's responses. */
const SEED = 1_000_003;

/** What is measured. */
interface FreshInput {
  config: RunConfig;
  heldOut: PromptSet;
  /** The first prompts of the held-out ones are answered. */
  prompts: number;
  /** Gives the labels that the pairs of the reward accuracy are made from, of the verifier's labels. */
  pairLabels: (labels: Address[]) => Promise<Address[]>;
}

/** Fresh responses with their labels, one artifact per shard. */
interface Answered {
  responses: Address[];
  labels: Address[];
}

/** Measures the start policy. */
export async function measureStart(context: StepContext, input: FreshInput, start: Address): Promise<StartFresh> {
  return countsOf(context, await answer(context, input, start));
}

/** Measures a trained policy. */
export async function measureFresh(
  context: StepContext,
  input: FreshInput,
  policies: { start: Address; last: Address },
): Promise<Fresh> {
  const answered = await answer(context, input, policies.last);
  const { threads } = input.config;
  const divergences = await inOrder(answered.responses, (responses) =>
    divergence(context, { policy: policies.last, reference: policies.start, responses, threads }, {}),
  );
  const rewardAccuracy = await accuracyOf(context, input, policies);
  return {
    ...(await countsOf(context, answered)),
    kl: mean((await readDivergences(context.store, divergences)).flatMap(({ kl }) => kl)),
    ...(rewardAccuracy !== undefined && { rewardAccuracy }),
  };
}

async function answer(
  context: StepContext,
  { config, heldOut, prompts }: FreshInput,
  policy: Address,
): Promise<Answered> {
  const { evaluate, threads } = config;
  const settings = heldOutSampling(evaluate, { samplesPerPrompt: SAMPLES, temperature: 1 });
  const shards = shardsOf(Math.min(prompts, heldOut.count), evaluate.shardSize);
  const responses = await inOrder(shards, (shard) =>
    sample(context, { policy, prompts: heldOut.address, ...shard, settings, seed: SEED, threads }, {}),
  );
  return { responses, labels: await labelByConfig(context, config, { responses }) };
}

async function countsOf({ store }: StepContext, { responses, labels }: Answered): Promise<StartFresh> {
  const rows = await readShards(store, responses);
  const labeled = (await Promise.all(labels.map((shard) => readLabels(store, shard)))).flat();
  const passes = labeled.map(({ candidates }) => candidates.map(({ pass }) => Number(pass === true)));
  return {
    samplePassRate: mean(passes.flat()),
    coverage: mean(passes.map((of) => Math.max(...of))),
    distinct: mean(rows.map(({ responses: sampled }) => new Set(sampled.map(({ text }) => text)).size)),
  };
}

/**
 * The share of pairs whose better response has the greater implicit reward. The pairs are of the start policy's fresh responses, the best
 * and the worst to each prompt, so that they are the same for all methods. Rewards are relative to the start policy, except SimPO's.
 * Undefined if there are no pairs.
 */
async function accuracyOf(
  context: StepContext,
  input: FreshInput,
  { start, last }: { start: Address; last: Address },
): Promise<number | undefined> {
  const { config } = input;
  const { labels } = await answer(context, input, start);
  const made = await preferredPairs(context, await input.pairLabels(labels));
  if (made === undefined) return undefined;
  const { maxLength, maxPromptLength } = config.optimize;
  const logpsOf = async (policy: Address) => {
    const shards = shardsOf(made.pairs.length, config.evaluate.shardSize);
    const addresses = await inOrder(shards, (shard) =>
      reference(
        context,
        {
          policy,
          preferences: made.address,
          ...shard,
          limits: { maxLength, maxPromptLength },
          threads: config.threads,
        },
        {},
      ),
    );
    const files = await Promise.all(
      addresses.map(async (address) =>
        readJsonl(join(await context.store.open(address), REFERENCE_LOGPS), referenceLogpsSchema),
      ),
    );
    return files.flat();
  };
  const [own, before] = [await logpsOf(last), await logpsOf(start)];
  const rewardOf = rewardsOf(config.optimize.objective);
  return mean(
    made.pairs.map((pair, i) => {
      const reward = (role: 'chosen' | 'rejected') =>
        rewardOf(own[i][role], before[i][role], pair[`${role}_input_ids`]!.length);
      return Number(reward('chosen') > reward('rejected'));
    }),
  );
}

/** An objective's implicit reward without its factor beta, from log-probabilities and the number of tokens. */
function rewardsOf(objective: ObjectiveSettings): (logp: number, start: number, tokens: number) => number {
  const { referencePolicy, rewardPerToken } = needsOf(objective);
  const isPerToken = rewardPerToken || objective.name === 'ipo';
  return (logp, start, tokens) => (logp - (referencePolicy ? start : 0)) / (isPerToken ? tokens : 1);
}

type Pair = PreferenceRecord & { chosen_input_ids?: number[]; rejected_input_ids?: number[] };

async function preferredPairs(
  context: StepContext,
  labels: Address[],
): Promise<{ address: Address; pairs: Pair[] } | undefined> {
  try {
    const { address } = await prefer(context, { labels, truncated: 'keep' }, {});
    const { rows } = await readPreferences(join(await context.store.open(address), PREFERENCES));
    return { address, pairs: rows as Pair[] };
  } catch (error) {
    // No prompt has responses of which one is better.
    if (error instanceof InputError) return undefined;
    throw error;
  }
}
