/** Keys of all steps, and their recomputation from stored recipes, with a small model. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { benchmark as measure } from '../../activities/benchmarks/index.ts';
import { divergence } from '../../activities/divergence.ts';
import { evaluate } from '../../activities/evaluate.ts';
import { label, labelHeldOut } from '../../activities/label.ts';
import { optimize } from '../../activities/optimize.ts';
import { ask } from '../../activities/people/ask.ts';
import { storeVotes } from '../../activities/people/store-votes.ts';
import { tally } from '../../activities/people/tally.ts';
import { storeImported } from '../../activities/policy.ts';
import { prefer } from '../../activities/prefer.ts';
import { prepare } from '../../activities/prepare.ts';
import { importPrompts } from '../../activities/prompts/stored.ts';
import { recompute, stepsBehind, STEPS, whyNotRecomputed } from '../../activities/recompute.ts';
import { reference, referenceByEngine, referenceByServer } from '../../activities/reference.ts';
import { recordRelease, release } from '../../activities/release.ts';
import { sampleByEngine, sampleByServer } from '../../activities/sample.ts';
import type { Step } from '../../activities/step.ts';
import { stepKey, type Recipe } from '../../artifacts/manifest.ts';
import { benchmarkOf } from '../../config/benchmarks.ts';
import { InputError } from '../../data/errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { objectiveSchema, samplingSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { labelSchema } from '../../labelers/index.ts';
import { samplerSchema } from '../../openai/client/sampler-settings.ts';
import { tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { sampleBenchmark } from './benchmarks/sampled.ts';
import { testContext } from './context.ts';

const context = testContext();
const { store, folder } = context;
const model = tinyModel(join(folder, 'model'));
// Prompts of IFEval and of MT-Bench's judge are longer than 256 characters.
const modelConfig = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as object;
writeFileSync(join(model, 'config.json'), JSON.stringify({ ...modelConfig, max_position_embeddings: 4096 }));
const train = join(folder, 'train.jsonl');
const template = join(folder, 'template.yaml');
const module = join(folder, 'labeler.mjs');
await writeJsonl(train, tinyPrompts(10));
writeFileSync(template, 'prompt_template: "{question} {answer}"\n');
writeFileSync(module, 'export default (_prompt, answers) => answers.map((answer) => answer.length);\n');

// Computes a round: samples, labels, training and evaluation.
const verifier = labelSchema.parse({ by: 'verifier' });
const judge = labelSchema.parse({ by: 'judge', mode: 'single', model, template, maxTokens: 2 });
const { policy, heldOut, rounds } = await prepare(
  context,
  { model, prompts: { train, heldOut: 2 }, limits: tinyLimits, label: verifier, rounds: 1, seed: 0 },
  {},
);
const threads = 2;
const drawn = samplingSchema.parse({ samplesPerPrompt: 4, temperature: 1, maxNewTokens: 8 });
const greedy = samplingSchema.parse({ maxNewTokens: 8 });
const sampling = { policy, prompts: rounds[0].address, from: 0, to: 8, settings: drawn, seed: 3, threads };
const { address: responses } = await sampleByEngine(context, sampling, {});
const labeling = { responses, label: verifier, threads };
const { address: labels } = await label(context, labeling, {});
// Questions by the engine's features, and labels of a vote.
const asking = { votes: 4, overlap: 0, strategy: 'd-optimal' as const, randomShare: 0 };
const { address: questions } = await ask(
  context,
  { responses: [responses], policy, start: policy, asking, beta: 0.1, seed: 0, threads },
  {},
);
const vote = { question: 'q1', person: 'ann', choice: 0, strength: 'much', left: 1, seconds: 2 } as const;
const { address: votes } = await storeVotes(
  context,
  { run: 'tiny', questions, block: 1, votes: [{ ...vote, at: '2026-01-01T00:00:00.000Z' }], skips: [] },
  {},
);
const tallying = { votes: [votes], questions, responses, aggregation: 'majority' as const, leaveOut: [] };
await tally(context, tallying, {});
const preferring = { labels: [labels], truncated: 'keep' as const };
const { address: preferences, summary } = await prefer(context, preferring, {});
const training = trainingSchema.parse({ learningRate: 1e-3, batchSize: 4, lora: { rank: 2 } });
const { maxLength, maxPromptLength } = training;
const limits = { maxLength, maxPromptLength };
const referencing = { policy, preferences, from: 0, to: summary.preferences, limits, threads };
const { address: logps } = await reference(context, referencing, {});
const objective = objectiveSchema.parse({ beta: 0.1 });
// Saves a checkpoint after every step.
const trained = { reference: [logps], objective, training, seed: 1, threads, checkpointSeconds: 1e-3 };
const optimizing = { policy, preferences, ...trained };
const { address: tuned } = await optimize(context, optimizing, {});
const answering = { ...sampling, policy: tuned, prompts: heldOut.address, to: 2, settings: greedy };
const { address: answers } = await sampleByEngine(context, answering, {});
const measuring = { policy: tuned, reference: policy, responses: answers, threads };
const { address: divergences } = await divergence(context, measuring, {});
const judging = { responses: answers, label: judge, threads };
const { address: judged } = await labelHeldOut(context, judging, {});
const { address: verified } = await labelHeldOut(context, { ...judging, label: verifier }, {});
const opponent = { labels: [verified], divergences: [divergences] };
const evaluating = { labels: [verified], opponent, seed: 0 };
const { address: evaluation } = await evaluate(context, evaluating, {});
await evaluate(context, { ...evaluating, opponent: { ...opponent, sampledDivergences: [divergences] } }, {});
// Benchmarks: IFEval, and MT-Bench by a judge on the engine, whose every token is a rating.
const judgeModel = tinyModel(join(folder, 'judge'));
const ratings = join(judgeModel, 'tokenizer.json');
const spelled = JSON.parse(readFileSync(ratings, 'utf8')) as { model: { vocab: Record<string, number> } };
const rated = ([token, id]: [string, number]) => [/^<.+>$/.test(token) ? token : `[[${1 + id / 100}]]`, id];
spelled.model.vocab = Object.fromEntries(Object.entries(spelled.model.vocab).map(rated));
writeFileSync(ratings, JSON.stringify(spelled));
const benchmarkQuestions = join(folder, 'questions.jsonl');
await writeJsonl(benchmarkQuestions, [{ question_id: 1, category: 'writing', turns: ['A line.', 'In verse.'] }]);
for (const entry of [
  { ifeval: { limit: 1, maxNewTokens: 8 } },
  { 'mt-bench': { judge: { model: judgeModel, maxTokens: 2 }, questions: benchmarkQuestions, maxNewTokens: 8 } },
]) {
  const chosen = benchmarkOf(entry);
  const sampled = await sampleBenchmark(context, tuned, chosen);
  await measure(context, { benchmark: chosen, policy: tuned, responses: sampled, seed: 0, threads }, {});
}
const releasing = {
  name: 'tiny',
  policy: tuned,
  heldOut: heldOut.address,
  prompts: [rounds[0].address],
  evaluations: [evaluation],
  lineage: { run: 'tiny' },
};
await release(context, releasing, {});

const scratch = join(folder, 'scratch');
const recomputed = async (address: string) => recompute(context, await store.manifest(address), scratch);

/** The recipe of a step for an input, with the given backend. */
const under = <Input>(backend: string, step: Step<Input, unknown>, input: Input) =>
  step.recipeFor({ ...context, engine: { ...context.engine, version: async () => backend } }, input);
type Under = (backend: string) => Promise<Recipe>;

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

describe('step keys', () => {
  const server = samplerSchema.parse({ url: 'http://127.0.0.1:9/v1', model: 'tiny' });
  test.each<[string, Under]>([
    ['sample', (backend) => under(backend, sampleByEngine, sampling)],
    ['label with an engine labeler', (backend) => under(backend, label, { ...labeling, label: judge })],
    ['labelHeldOut with an engine labeler', (backend) => under(backend, labelHeldOut, judging)],
    ['reference', (backend) => under(backend, referenceByEngine, referencing)],
    ['optimize', (backend) => under(backend, optimize, optimizing)],
    ['divergence', (backend) => under(backend, divergence, measuring)],
  ])('%s changes with the version of the backend', async (_, recipeUnder) => {
    const [one, two] = await Promise.all(['onnxruntime 1', 'onnxruntime 2'].map(recipeUnder));
    expect(one).toEqual({ ...two, backend: 'onnxruntime 1' });
    expect(one.selm).toBe(version);
    expect(stepKey(one)).not.toBe(stepKey(two));
  });

  test.each<[string, Under]>([
    ['label', (backend) => under(backend, label, labeling)],
    ['labelHeldOut', (backend) => under(backend, labelHeldOut, { ...judging, label: verifier })],
    ['tally', (backend) => under(backend, tally, tallying)],
    ['prefer', (backend) => under(backend, prefer, preferring)],
    ['evaluate', (backend) => under(backend, evaluate, evaluating)],
  ])('%s does not, and has the version of selm', async (_, recipeUnder) => {
    const [one, two] = await Promise.all(['onnxruntime 1', 'onnxruntime 2'].map(recipeUnder));
    expect(stepKey(one)).toBe(stepKey(two));
    expect(one.selm).toBe(version);
  });

  test.each<[string, Under]>([
    ['import-policy', (backend) => under(backend, storeImported, { base: { source: model, fingerprint: '' } })],
    ['import-prompts', (backend) => under(backend, importPrompts, { count: 2, records: () => tinyPrompts(2) })],
    ['sample by a server', (backend) => under(backend, sampleByServer, { ...sampling, server })],
    ['reference by a server', (backend) => under(backend, referenceByServer, { ...referencing, server })],
    ['release', (backend) => under(backend, recordRelease, releasing)],
  ])('%s does not, and has no version at all', async (_, recipeUnder) => {
    const [one, two] = await Promise.all(['onnxruntime 1', 'onnxruntime 2'].map(recipeUnder));
    expect(stepKey(one)).toBe(stepKey(two));
    expect(Object.keys(one).sort()).toEqual(['inputs', 'parameters', 'seed', 'step']);
    expect(await whyNotRecomputed(one, context)).toBeDefined();
  });
});

describe('a recomputation', () => {
  test('gives the same address for every step that is reproducible, and leaves the store alone', async () => {
    const before = await store.list();
    const steps = new Set<string>();
    for (const { address, manifest } of before) {
      if ((await whyNotRecomputed(manifest.recipe, context)) !== undefined) continue;
      expect(await recomputed(address), manifest.recipe.step).toBe(address);
      steps.add(manifest.recipe.step);
    }
    expect(steps).toEqual(new Set(STEPS.filter((step) => step.recompute).map(({ stepName }) => stepName)));
    expect(await store.list()).toEqual(before);
  });

  test('finds an artifact that has other bytes than its recipe gives', async () => {
    const { kind, recipe } = await store.manifest(responses);
    const forged = await store.create(kind, recipe, async (target) => {
      mkdirSync(target, { recursive: true });
      writeFileSync(join(target, 'responses.jsonl'), 'Not what the policy said.');
    });
    expect(forged).not.toBe(responses);
    expect(await recomputed(forged)).toBe(responses);
  });

  test('fails where the files of a labeler have changed since', async () => {
    const own = labelSchema.parse({ by: 'module', path: module });
    const { address } = await label(context, { ...labeling, label: own }, {});
    expect(await recomputed(address)).toBe(address);
    writeFileSync(module, 'export default (_prompt, answers) => answers.map((answer) => -answer.length);\n');
    const failure = await recomputed(address).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InputError);
    expect((failure as Error).message).toMatch(/^The files of the labeler "module" have changed /);
  });

  test('is not done of what other versions have computed, which it names', async () => {
    const recipe = { step: 'sample', parameters: {}, inputs: {}, seed: 0 };
    const backend = await context.engine.version({});
    const onServer = { by: 'reward-model', model, server: { url: 'http://127.0.0.1:9/v1' } };
    const reasons = [
      { ...recipe, engineVersion: 'selm 0.4.0, onnxruntime 1.30.0' },
      { ...recipe, selm: '0.0.1', backend },
      { ...recipe, selm: '0.0.1' },
      { ...recipe, parameters: { server: { model: 'tiny' } } },
      { ...recipe, selm: version, step: 'label', parameters: { label: onServer } },
      { ...recipe, step: 'reference', parameters: { server: { model: 'tiny' } } },
      { ...recipe, parameters: { vllm: { version: '1.2.3' } } },
    ].map((stored) => whyNotRecomputed(stored, context));
    expect(await Promise.all(reasons)).toEqual([
      'computed by an earlier version (selm 0.4.0, onnxruntime 1.30.0)',
      `computed by selm 0.0.1, ${backend}`,
      'computed by selm 0.0.1',
      'sampled by a server',
      'scored by a server',
      'computed by a server',
      'sampled by vLLM, which is not reproducible',
    ]);
  });
});

test('the artifacts behind one come before those that were computed from them', async () => {
  const steps = await stepsBehind(store, [evaluation]);
  const found = steps.map(({ address }) => address);
  expect(found).toEqual(expect.arrayContaining([policy, responses, labels, preferences, logps, tuned, divergences]));
  expect(found).not.toContain(judged);
  for (const [i, { manifest }] of steps.entries()) {
    for (const input of Object.values(manifest.recipe.inputs).flat())
      expect(found.slice(0, i), manifest.recipe.step).toContain(input);
  }
});
