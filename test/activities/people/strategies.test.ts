/** `ask` with strategies that need the engine, on a tiny model's own responses. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ask, type AskInput } from '../../../activities/people/ask.ts';
import { readCandidateScores, scoreCandidates } from '../../../activities/people/candidates.ts';
import { readQuestions } from '../../../activities/people/questions.ts';
import { importPolicy, openPolicyArtifact } from '../../../activities/policy.ts';
import { importPrompts } from '../../../activities/prompts/stored.ts';
import { recompute, stepsBehind } from '../../../activities/recompute.ts';
import { readShards, sample } from '../../../activities/sample.ts';
import type { Address } from '../../../artifacts/manifest.ts';
import { openFeatures } from '../../../engine/features.ts';
import { samplingSchema } from '../../../engine/protocol/settings.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import type { AskSettings } from '../../../labelers/people/settings.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyAdapter, tinyModel, tinyPrompts } from '../../tiny-model.ts';
import { testContext } from '../context.ts';

const context = testContext();
const { store, engine } = context;
const beta = 0.5;
const LONG = 'yes '.repeat(100);
let start: Address;
let policy: Address;
let responses: Address[];

beforeAll(async () => {
  const model = tinyModel(join(context.folder, 'model'));
  start = (await importPolicy(context, model, undefined)).address;
  policy = (await importPolicy(context, model, tinyAdapter)).address;
  // Two prompts have responses of their own, which the engine encodes. One of them is longer than the model's context of 256 tokens.
  const records = tinyPrompts(24).map((prompt, i) => ({
    ...prompt,
    ...(i === 5 && { chosen: 'own, chosen', rejected: '' }),
    ...(i === 7 && { chosen: LONG, rejected: '' }),
  }));
  const { address: prompts } = await importPrompts(context, { count: 24, records: () => records }, {});
  const settings = samplingSchema.parse({ samplesPerPrompt: 3, temperature: 1, maxNewTokens: 12 });
  const shards = [
    { from: 0, to: 10 },
    { from: 10, to: 24 },
  ].map((shard) => sample(context, { policy, prompts, ...shard, settings, seed: 1, threads: 1 }, {}));
  responses = (await Promise.all(shards)).map(({ address }) => address);
});

const askFor = async (strategy: AskSettings['strategy'], more: Partial<AskInput> = {}) => {
  const asking = { votes: 16, overlap: 0, strategy, randomShare: 0.25 };
  const input = { responses, policy, start, asking, beta, seed: 1, threads: 1, ...more };
  const { address } = await ask(context, input, {});
  return { address, questions: await readQuestions(store, address) };
};

/** The log-probability and the features of one candidate, scored by itself. */
async function scoreAlone(by: Address, id: string, index: number) {
  const row = (await readShards(store, responses)).find((one) => one.id === id)!;
  const response = row.responses[index];
  const file = join(temporaryFolder(), 'features.safetensors');
  const scored = response
    ? { prompt_input_ids: row.prompt_input_ids!, response_input_ids: response.token_ids }
    : { prompt: row.prompt, response: row.chosen! };
  const { policy: opened } = await openPolicyArtifact(store, by);
  const [{ logp }] = await engine.run('score', {
    policy: opened,
    rows: [scored],
    features: file,
    threads: 1,
    cut: true,
  });
  return { logp, features: openFeatures(file).row(0) };
}

const rewardOf = async (id: string, index: number) =>
  beta * ((await scoreAlone(policy, id, index)).logp - (await scoreAlone(start, id, index)).logp);

const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;

test('margin and gap compare the implicit rewards of the candidates', async () => {
  const found = { margin: await askFor('margin'), gap: await askFor('gap') };
  for (const [strategy, { questions }] of Object.entries(found)) {
    const own = questions.filter(({ random }) => !random);
    expect([questions.length, own.length]).toEqual([16, 12]);
    for (const { prompt_id: id, candidates, value } of own) {
      const [a, b] = await Promise.all(candidates.map((index) => rewardOf(id, index)));
      const expected = strategy === 'gap' ? Math.abs(a - b) : -Math.abs(1 / (1 + Math.exp(b - a)) - 0.5);
      expect(Math.abs(value! - expected)).toBeLessThan(1e-4);
    }
  }
  const uncertainty = ({ questions }: (typeof found)['gap'], of: (value: number) => number) =>
    mean(questions.flatMap(({ value }) => (value === undefined ? [] : [of(value)])));
  // |r1 - r2| of the margin's pairs, from its value.
  expect(uncertainty(found.margin, (value) => 2 * Math.atanh(-2 * value))).toBeLessThan(
    uncertainty(found.gap, (v) => v),
  );
});

test("scores belong to their candidates, the data set's own and after empty ones, too", async () => {
  const own = (await readShards(store, [responses[0]]))[5];
  const { address } = await scoreCandidates(
    context,
    { policy, responses: responses[0], features: true, threads: 1 },
    {},
  );
  const scores = (await readCandidateScores(store, address))[5];
  expect(scores.candidates).toContain(3);
  expect(scores.candidates).not.toContain(4);
  for (const [at, index] of scores.candidates.entries()) {
    const alone = await scoreAlone(policy, own.id, index);
    expect(scores.logps[at]).toBeCloseTo(alone.logp, 3);
    const features = scores.features(at);
    expect(features).toHaveLength(alone.features.length);
    expect(Math.max(...features.map((value, i) => Math.abs(value - alone.features[i])))).toBeLessThan(1e-4);
  }
});

test("a response of the data set that is longer than the model's context is scored to its end, and counted", async () => {
  const scoring = { policy, responses: responses[0], features: false, threads: 1 };
  const { address, summary } = await scoreCandidates(context, scoring, {});
  expect(summary).toMatchObject({ cut: 1 });
  const [{ prompt }] = tinyPrompts(1, 7);
  const { policy: opened } = await openPolicyArtifact(store, policy);
  const tokenizer = loadTokenizer(opened.model);
  const {
    prompt: ids,
    responses: [long],
  } = tokenizer.encodeExchange(prompt, [LONG]);
  const rows = [{ prompt_input_ids: ids, response_input_ids: long.slice(0, 256 - ids.length) }];
  const [{ logp }] = await engine.run('score', { policy: opened, rows, threads: 1 });
  const { candidates, logps } = (await readCandidateScores(store, address))[7];
  expect(logps[candidates.indexOf(3)]).toBeCloseTo(logp, 3);
});

test('d-optimal needs no rewards where the policy is the start policy', async () => {
  const { address, questions } = await askFor('d-optimal', { start: policy });
  expect(questions.filter(({ random }) => !random)).toHaveLength(12);
  expect(Object.keys((await store.manifest(address)).recipe.inputs)).toEqual(['responses', 'scores']);
  const later = await askFor('d-optimal');
  expect(Object.keys((await store.manifest(later.address)).recipe.inputs)).toEqual([
    'responses',
    'scores',
    'startScores',
  ]);
  expect(later.questions.map((one) => [one.prompt_id, one.candidates])).not.toEqual(
    questions.map((one) => [one.prompt_id, one.candidates]),
  );
});

test('questions and the scores behind them can be computed again', async () => {
  const { address } = await askFor('d-optimal');
  const steps = (await stepsBehind(store, [address])).filter(({ manifest: { recipe } }) =>
    ['ask', 'scoreCandidates'].includes(recipe.step),
  );
  expect(steps).toHaveLength(5);
  for (const { address: known, manifest } of steps) {
    expect(await recompute(context, manifest, temporaryFolder())).toBe(known);
  }
});
