/** The steps of a round in sequence, as a workflow calls them, with a real store, a real engine and a tiny model. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { divergence, readDivergences } from '../../activities/divergence.ts';
import { evaluate } from '../../activities/evaluate.ts';
import { label, labelHeldOut } from '../../activities/label.ts';
import { optimize } from '../../activities/optimize.ts';
import { openPolicyArtifact } from '../../activities/policy.ts';
import { prefer } from '../../activities/prefer.ts';
import { prepare, type Prepared } from '../../activities/prepare.ts';
import { sample } from '../../activities/sample.ts';
import { mean } from '../../data/numbers.ts';
import { standardDeviation } from '../../evaluation/statistics.ts';
import type { StepContext } from '../../activities/step.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { InputError } from '../../data/errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { readPreferences, readSampled } from '../../data/readers.ts';
import type { PreferenceRecord } from '../../data/records.ts';
import { JobAborted } from '../../engine/protocol/errors.ts';
import type { Engine } from '../../engine/protocol/jobs.ts';
import { openPolicyFiles } from '../../engine/tokens/policy.ts';
import { objectiveSchema, samplingSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { withFailedWrite } from '../artifacts/file-errors.ts';
import { tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { referenceLogps } from './reference-logps.ts';
import { testContext } from './context.ts';

const context = testContext();
const { store, engine } = context;
const model = tinyModel(join(context.folder, 'model'));
const train = join(context.folder, 'train.jsonl');

const verifier = { by: 'verifier' } as const;
const sampling = samplingSchema.parse({ samplesPerPrompt: 4, temperature: 1, maxNewTokens: 16 });
const greedy = samplingSchema.parse({ maxNewTokens: 16 });
const training = trainingSchema.parse({ learningRate: 1e-2, batchSize: 8, epochs: 3, lora: { rank: 4 } });
const objective = objectiveSchema.parse({ beta: 0.1 });

const prepareIn = (where: StepContext) =>
  prepare(
    where,
    { model, prompts: { train, heldOut: 8 }, limits: tinyLimits, label: verifier, rounds: 1, seed: 0 },
    {},
  );

const labelShards = (where: StepContext, shards: string[]) =>
  Promise.all(
    shards.map(async (responses) => (await label(where, { responses, label: verifier, threads }, {})).address),
  );

const threads = 2;

/** Runs a round's steps up to the trained policy, with prompts in two shards. */
async function trainRound(where: StepContext, { policy, rounds: [prompts] }: Prepared) {
  const shards = [
    { from: 0, to: 20 },
    { from: 20, to: prompts.count },
  ];
  const sampled = [];
  for (const shard of shards) {
    sampled.push(
      await sample(where, { policy, prompts: prompts.address, ...shard, settings: sampling, seed: 1, threads }, {}),
    );
  }
  const labels = await labelShards(
    where,
    sampled.map(({ address }) => address),
  );
  const labeled = await prefer(where, { labels, truncated: 'keep' }, {});
  const made = { policy, preferences: labeled.address };
  const reference = await referenceLogps(where, made, training, labeled.summary.preferences, 10);
  const optimized = await optimize(where, { ...settings, ...made, reference }, {});
  return { sampled, labeled, reference, optimized };
}

const settings = { objective, training, seed: 1, threads, checkpointSeconds: 1e-3 };

/** The input of a round's step `optimize`. */
const inputOf = ({ labeled, reference }: Awaited<ReturnType<typeof trainRound>>) => ({
  ...settings,
  policy: prepared.policy,
  preferences: labeled.address,
  reference,
});

let prepared: Prepared;
let round: Awaited<ReturnType<typeof trainRound>>;
beforeAll(async () => {
  await writeJsonl(train, tinyPrompts(40));
  prepared = await prepareIn(context);
  round = await trainRound(context, prepared);
});

const open = async (address: string, name: string) => join(await store.open(address), name);

/** The number of followed instructions, of the two in a tiny prompt, computed independently of the verifier. */
const followed = (text: string) => Number(!text.includes(',')) + Number(/e/i.test(text));
const contentOf = (response: PreferenceRecord['chosen']) => (response as { content: string }[])[0].content;

describe('a round', () => {
  test('samples every prompt of every shard as often as asked', async () => {
    const paths = await Promise.all(round.sampled.map(({ address }) => open(address, 'responses.jsonl')));
    const shards = await Promise.all(paths.map(readSampled));
    expect(shards.map((rows) => rows.length)).toEqual([20, 12]);
    const rows = shards.flat();
    expect(new Set(rows.map(({ id }) => id)).size).toBe(32);
    expect(rows.every(({ responses }) => responses.length === 4)).toBe(true);
    const tokens = rows
      .flatMap(({ responses }) => responses)
      .reduce((total, { token_ids }) => total + token_ids.length, 0);
    expect(round.sampled[0].summary.sampledTokens + round.sampled[1].summary.sampledTokens).toBe(tokens);
  });

  test('prefers answers that follow more of the instructions', async () => {
    const { address, summary } = round.labeled;
    const preferences = (await readPreferences(await open(address, 'preferences.jsonl'))).rows as PreferenceRecord[];
    expect(preferences).toHaveLength(summary.preferences);
    expect(summary.rows).toBe(32);
    expect(summary.preferences + Object.values(summary.dropped).reduce((a, b) => a + b)).toBe(32);
    for (const { chosen, rejected, score_chosen, score_rejected } of preferences) {
      expect(followed(contentOf(chosen)) / 2).toBe(score_chosen);
      // An empty response follows no instruction.
      if (contentOf(rejected).trim() !== '') expect(followed(contentOf(rejected)) / 2).toBe(score_rejected);
      expect(score_chosen).toBeGreaterThan(score_rejected!);
    }
  });

  test('trains a policy that has learned from the preferences', async () => {
    const { address, summary } = round.optimized;
    expect(summary.steps).toBe(3 * Math.ceil(round.labeled.summary.preferences / 8));
    // The initial loss is log 2.
    expect(summary.metrics['loss']).toBeLessThan(Math.log(2) - 0.05);
    const { policy } = await openPolicyArtifact(store, address);
    expect(openPolicyFiles(policy).adapter?.rank).toBe(4);
    expect(summary.unchanged).toBe(false);
  });

  test('says of a policy that it is the one training started from', async () => {
    const input = inputOf(round);
    const { summary } = await optimize(context, { ...input, training: { ...training, learningRate: 1e-30 } }, {});
    expect(summary.unchanged).toBe(true);
  });

  test('that is done already is found, without the engine', async () => {
    const unused: Engine = {
      version: (settings) => engine.version(settings),
      run: (method) => Promise.reject(new Error(`the engine was asked to ${method}`)),
      close: () => Promise.resolve(),
    };
    const again = await trainRound({ ...context, engine: unused }, await prepareIn({ ...context, engine: unused }));
    for (const step of [...again.sampled, again.labeled, again.optimized]) expect(step.reused).toBe(true);
    expect(again.optimized.address).toBe(round.optimized.address);
    expect(again.optimized.summary).toEqual(round.optimized.summary);
  });

  test('comes to the same policy, to the bit, if it is done elsewhere and interrupted', async () => {
    const elsewhere = new LocalStore(join(context.folder, 'elsewhere'));
    const start = await prepareIn({ ...context, store: elsewhere });
    expect(start).toEqual(prepared);
    const steps: number[] = [];
    const stop = new AbortController();
    const interrupted = trainRound({ ...context, store: elsewhere, engine: watched(steps, stop) }, start);
    await expect(interrupted).rejects.toThrow(JobAborted);

    const stepsBefore = steps.length;
    const { optimized } = await trainRound({ ...context, store: elsewhere, engine: watched(steps) }, start);
    expect(optimized).toEqual(round.optimized);
    // Training resumed at the step after the checkpoint.
    expect(steps[stepsBefore]).toBe(steps[stepsBefore - 1] + 1);
  });
});

/** An engine that records its training steps. If `stop` is given, it is aborted after the second step. */
function watched(steps: number[], stop?: AbortController): Engine {
  return {
    version: (settings) => engine.version(settings),
    close: () => engine.close(),
    run: (method, job) =>
      engine.run(method, job, {
        ...(stop && { signal: stop.signal }),
        onProgress: ({ unit, done, resumedFromStep }) => {
          if (unit !== 'steps' || resumedFromStep !== undefined) return;
          steps.push(done);
          if (done === 2) stop?.abort();
        },
      }),
  };
}

/** Samples a policy's greedy responses to the held-out prompts. @returns the artifact */
async function answerHeldOut(policy: string, settings = greedy): Promise<string> {
  const input = { policy, prompts: prepared.heldOut.address, from: 0, to: 8, settings, seed: 0, threads };
  return (await sample(context, input, {})).address;
}

/** Measures the divergence between a policy and the round's start policy, along the policy's responses. */
const measureDivergence = async (policy: string, responses: string) =>
  (await divergence(context, { policy, reference: prepared.policy, responses, threads }, {})).address;

const judgeAnswers = async (responses: string) =>
  (await labelHeldOut(context, { responses, label: verifier, threads }, {})).address;

describe('a result that cannot be written at first', () => {
  const absent = Object.assign(Object.create(store) as LocalStore, { find: async () => undefined });

  test.each(['EIO', 'ENOSPC'])('is written again after %s, and not computed again', async (code) => {
    const { policy } = prepared;
    const responses = await answerHeldOut(policy);
    const known = await measureDivergence(policy, responses);
    const computed: string[] = [];
    const counted: Engine = {
      version: (settings) => engine.version(settings),
      close: () => engine.close(),
      run: (method, ...job) => (computed.push(method), engine.run(method, ...job)),
    };
    const { address } = await withFailedWrite(code, /divergences\.jsonl/, () =>
      divergence({ ...context, store: absent, engine: counted }, { policy, reference: policy, responses, threads }, {}),
    );
    expect([address, computed]).toEqual([known, ['divergence']]);
  });

  test('has all rows, also if they are read while they are written', async () => {
    const { address, summary } = round.labeled;
    const { labels } = (await store.manifest(address)).recipe.inputs as { labels: string[] };
    const again = await withFailedWrite('EIO', /preferences\.jsonl/, () =>
      prefer({ ...context, store: absent }, { labels, truncated: 'keep' }, {}),
    );
    expect(again).toEqual({ address, summary, reused: false });
  });
});

describe('labeling', () => {
  test.each(['reject', 'drop'] as const)(
    'with truncated: %s says so where most answers were cut',
    async (truncated) => {
      const answers = await answerHeldOut(
        prepared.policy,
        samplingSchema.parse({ samplesPerPrompt: 2, temperature: 1, maxNewTokens: 1 }),
      );
      const { address } = await label(
        context,
        { responses: answers, label: verifier, threads, ...(truncated === 'drop' && { truncated }) },
        {},
      );
      const all = (await readSampled(join(await store.open(answers), 'responses.jsonl'))).flatMap(
        ({ responses }) => responses,
      );
      const cut = all.filter(({ finish_reason: reason }) => reason === 'length').length;
      expect(cut).toBeGreaterThan(8);
      await expect(prefer(context, { labels: [address], truncated }, {})).rejects.toThrow(
        `: ${cut} of 16 responses were truncated at the length limit, ` +
          `and label.truncated is "${truncated}"; raise sample.maxNewTokens, or set label.truncated to keep.`,
      );
    },
  );

  test('is refused where no prompt gets a preference', async () => {
    const labels = await labelShards(context, [await answerHeldOut(prepared.policy)]);
    await expect(prefer(context, { labels, truncated: 'keep' }, {})).rejects.toThrow(
      new InputError(
        'None of 8 prompts got a preference (8 with one candidate): sample more responses per prompt, or at a higher temperature.',
      ),
    );
  });
});

describe('evaluation', () => {
  test('compares the trained policy with the one it started from', async () => {
    const [own, other] = [await answerHeldOut(round.optimized.address), await answerHeldOut(prepared.policy)];
    const trained = round.optimized.address;
    const drawn = await answerHeldOut(
      trained,
      samplingSchema.parse({ samplesPerPrompt: 3, temperature: 1, maxNewTokens: 16 }),
    );
    const divergences = [await measureDivergence(trained, own)];
    const sampledDivergences = [await measureDivergence(trained, drawn)];
    const opponent = { labels: [await judgeAnswers(other)], divergences, sampledDivergences };
    const { address, summary } = await evaluate(context, { labels: [await judgeAnswers(own)], opponent, seed: 0 }, {});
    const rows = readFileSync(await open(address, 'answers.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { score: number; opponentScore: number });
    expect(rows).toHaveLength(8);
    expect(summary.against!.wins).toBe(rows.filter(({ score, opponentScore }) => score > opponentScore).length);
    for (const [made, answers, told] of [
      [divergences, own, summary.against!],
      [sampledDivergences, drawn, summary.against!.klSampled!],
    ] as const) {
      const [answered, measured] = [
        await readSampled(await open(answers, 'responses.jsonl')),
        await readDivergences(store, made),
      ];
      expect(measured.map(({ id, tokens }) => ({ id, tokens }))).toEqual(
        answered.map(({ id, responses }) => ({ id, tokens: responses.map(({ token_ids }) => token_ids.length) })),
      );
      const all = measured.flatMap(({ kl }) => kl);
      for (const kl of all) expect(kl).toBeGreaterThan(0);
      expect(told.kl).toBeCloseTo(all.reduce((a, b) => a + b) / all.length, 10);
    }
  });

  test('measures a whole model that was trained by its divergence from the model that it was trained from', async () => {
    const whole = { ...inputOf(round), training: { ...training, full: true, epochs: 1 } };
    const { address: policy } = await optimize(context, whole, {});
    const own = await answerHeldOut(policy);
    const [row] = await readDivergences(store, [await measureDivergence(policy, own)]);
    expect(row.kl[0]).toBeGreaterThan(0);
    const same = await divergence(context, { policy, reference: policy, responses: own, threads }, {});
    expect(same.summary).toEqual({ kl: 0, klPerToken: 0 });
  });

  test('of sampled answers agrees with what they are likelier under the policy than under the other', async () => {
    const trained = round.optimized.address;
    const drawn = await answerHeldOut(
      trained,
      samplingSchema.parse({ samplesPerPrompt: 60, temperature: 1, maxNewTokens: 16, batchSize: 480 }),
    );
    const answered = await readSampled(await open(drawn, 'responses.jsonl'));
    const { policy } = await openPolicyArtifact(store, prepared.policy);
    const rows = answered.flatMap(({ prompt_input_ids: prompt, responses }) =>
      responses.map(({ token_ids }) => ({ prompt_input_ids: prompt!, response_input_ids: token_ids })),
    );
    const scores = await engine.run('score', { policy, rows, threads });
    // Both are unbiased estimates of the KL divergence of the distributions of responses.
    const ratios = answered.flatMap(({ responses }) => responses).map(({ logp }, i) => logp! - scores[i].logp);
    const kl = (await readDivergences(store, [await measureDivergence(trained, drawn)])).flatMap((row) => row.kl);
    const differences = ratios.map((ratio, i) => ratio - kl[i]);
    expect(Math.abs(mean(differences))).toBeLessThan(
      (4 * standardDeviation(differences)) / Math.sqrt(differences.length),
    );
    // The exact sums vary less than the ratios, some of which are negative.
    expect(Math.min(...ratios)).toBeLessThan(0);
    expect(standardDeviation(kl)).toBeLessThan(standardDeviation(ratios));
  });

  test('of a policy against itself finds no difference', async () => {
    const own = await answerHeldOut(prepared.policy);
    const divergences = [await measureDivergence(prepared.policy, own)];
    const labels = [await judgeAnswers(own)];
    const { summary } = await evaluate(context, { labels, opponent: { labels, divergences }, seed: 0 }, {});
    expect(summary.against).toMatchObject({ wins: 0, ties: 8, losses: 0, winRate: 0.5 });
    expect(summary.against).toMatchObject({ kl: 0, klPerToken: 0, klInterval: { low: 0, high: 0 } });
  });
});
