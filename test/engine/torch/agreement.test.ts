/** The torch backend against the ONNX backend and PyTorch's reference numbers, on two ranks: the same jobs give the same numbers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { DemonstrationRecord } from '../../../data/records.ts';
import { startEngine } from '../../../engine/backends.ts';
import { openFeatures } from '../../../engine/features.ts';
import { layersOf } from '../../../engine/model-files/linear-layers.ts';
import { readAdapter } from '../../../engine/model-files/lora.ts';
import { openModelFolder } from '../../../engine/model-files/model.ts';
import { openSafetensors, readTensorF32 } from '../../../engine/model-files/safetensors.ts';
import { openModelWeights } from '../../../engine/model-files/weights.ts';
import type { TrainMetrics, TrainResult } from '../../../engine/protocol/jobs.ts';
import { trainingSchema } from '../../../engine/protocol/settings.ts';
import { jsonl } from '../../jsonl.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';
import { compared, difference, expected as ranked, folderOf } from '../onnx/rankers/fixtures.ts';
import { fixture, readJson, referenceCase, ROLES } from '../reference-case.ts';
import { expectSameTraining } from '../trained-weights.ts';
import { describeTorch, twoRanks } from './environment.ts';

const scratch = temporaryFolder();
const engine = startEngine();
afterAll(() => engine.close());

/** Metrics of every step but its speed agree, loss and gradient norm most closely. */
function expectMetrics(torch: TrainMetrics[], onnx: TrainMetrics[]): void {
  expect(torch).toHaveLength(onnx.length);
  for (const [i, row] of onnx.entries()) {
    expect(Object.keys(torch[i])).toEqual(Object.keys(row));
    expect(Math.abs(torch[i].loss - row.loss)).toBeLessThan(1e-5);
    for (const [name, value] of Object.entries(row)) {
      // Before the first step of a fresh adapter the margins are rounding errors, and so are their signs.
      if (name === 'rewards/accuracies' && Math.abs(row['rewards/margins']) < 1e-4) continue;
      if (name !== 'tokens/s') expect(Math.abs(torch[i][name] - value), name).toBeLessThan(1e-4);
    }
  }
}

/** The result of a training without its metrics. */
const outcome = ({ metrics: _metrics, ...result }: TrainResult) => result;

describeTorch('torch on two ranks agrees with onnx', () => {
  const { folder, model, reference, policy, pairs, expected, optimizeJob } = referenceCase('llama');
  const rows = pairs.flatMap((pair) =>
    ROLES.map((role) => ({ prompt_input_ids: pair.prompt, response_input_ids: pair[role] })),
  );

  test('in its version: the versions that bits depend on, ranks and device', async () => {
    expect(await engine.version(twoRanks)).toMatch(
      /^torch \d+\.\d+\.\d+\S*, transformers \d+\.\d+\.\d+\S*, 2 ranks, cpu$/,
    );
    expect(await engine.version({ ...twoRanks, gpus: 1 })).toContain(', 1 rank, cpu');
  });

  test('in log-probabilities', async () => {
    const scores = await engine.run('score', { policy: reference, rows, ...twoRanks });
    const wanted = expected.reference_logps.flatMap((row) => ROLES.map((role) => row[role]));
    for (const [i, { logp, tokens }] of scores.entries()) {
      expect(Math.abs(logp - wanted[i])).toBeLessThan(1e-4);
      expect(tokens).toBe(rows[i].response_input_ids.length);
    }
  });

  test('in feature vectors, of a response without tokens too', async () => {
    const job = { policy, rows: [...rows, { ...rows[0], response_input_ids: [] }] };
    const files = ['torch', 'onnx'].map((name) => join(scratch, `features-${name}.safetensors`));
    const scores = await engine.run('score', { ...job, features: files[0], ...twoRanks });
    await engine.run('score', { ...job, features: files[1] });
    expect(scores.at(-1)).toEqual({ logp: 0, tokens: 0 });
    const [torch, onnx] = files.map(openFeatures);
    expect([torch.rows, torch.width]).toEqual([job.rows.length, onnx.width]);
    for (const i of job.rows.keys()) {
      const own = torch.row(i);
      for (const [j, value] of onnx.row(i).entries()) expect(Math.abs(own[j] - value), `row ${i}`).toBeLessThan(1e-4);
    }
  });

  test('in divergences, of a response without tokens too', async () => {
    const job = { policy, reference, rows: [...rows, { ...rows[0], response_input_ids: [] }] };
    const [torch, onnx] = [
      await engine.run('divergence', { ...job, ...twoRanks }),
      await engine.run('divergence', job),
    ];
    expect(torch.map(({ tokens }) => tokens)).toEqual(onnx.map(({ tokens }) => tokens));
    for (const [i, { kl }] of onnx.entries()) expect(Math.abs(torch[i].kl - kl)).toBeLessThan(1e-5 * Math.max(1, kl));
    expect(torch.at(-1)).toEqual({ kl: 0, tokens: 0 });
  });

  test('in three steps of LoRA, and with PyTorch', async () => {
    const training = {
      learningRate: expected.learning_rate,
      maxGradNorm: expected.max_grad_norm,
      epochs: 3,
      shuffle: false,
    };
    const [torchJob, onnxJob] = ['torch', 'onnx'].map((name) => optimizeJob(join(scratch, `lora-${name}`), training));
    const torch = await engine.run('optimize', { ...torchJob, ...twoRanks });
    const onnx = await engine.run('optimize', onnxJob);
    expectMetrics(torch.metrics, onnx.metrics);
    expect(outcome(torch)).toEqual(outcome(onnx));
    for (const [i, { loss, grad_norm }] of expected.steps.entries()) {
      expect(Math.abs(torch.metrics[i].loss - loss)).toBeLessThan(1e-5);
      expect(Math.abs(torch.metrics[i].grad_norm - grad_norm)).toBeLessThan(1e-4);
    }
    const layers = layersOf(openModelFolder(model));
    const [trained, wanted] = [torchJob.outDir, join(folder, 'adapter_final')].map((at) => readAdapter(at, layers));
    expect(trained.baseModel).toBe(model);
    for (const [layer, { a, b }] of wanted.matrices) {
      const own = trained.matrices.get(layer)!;
      expectSameTraining(own.a, a, `${layer}, A`);
      expectSameTraining(own.b, b, `${layer}, B`);
    }
  });

  test('in label smoothing by agreement, with the SFT term', async () => {
    const jobs = ['torch', 'onnx', 'plain'].map((name) =>
      optimizeJob(join(scratch, `smoothed-${name}`), { epochs: 2, batchSize: 2 }),
    );
    const confidence = [{ confidence: 0.6 }, {}, { confidence: 0.9 }];
    const smoothed = jobs.map((job) => ({
      ...job,
      rows: job.rows.map((row, i) => ({ ...row, ...confidence[i] })),
      objective: { name: 'dpo' as const, beta: 0.1, labelSmoothing: 'agreement' as const, sftWeight: 0.5 },
    }));
    const [torch, onnx] = [
      await engine.run('optimize', { ...smoothed[0], ...twoRanks }),
      await engine.run('optimize', smoothed[1]),
    ];
    expectMetrics(torch.metrics, onnx.metrics);
    expect(outcome(torch)).toEqual(outcome(onnx));
    expect(onnx.rows.noConfidence).toBe(1);
    const plain = await engine.run('optimize', { ...jobs[2], objective: { name: 'dpo', beta: 0.1 } });
    expect(Math.abs(plain.metrics[0].loss - onnx.metrics[0].loss)).toBeGreaterThan(1e-4);
  });

  test('from a fresh adapter, in random order, with reference log-probabilities from files', async () => {
    const torchRows = optimizeJob('', {}).rows;
    const logps = await engine.run('reference', {
      policy: { model },
      rows: torchRows,
      from: 0,
      to: torchRows.length,
      limits: trainingSchema.parse({}),
      ...twoRanks,
    });
    const file = join(scratch, 'logps.jsonl');
    writeFileSync(file, jsonl(logps));
    const jobs = ['torch', 'onnx'].map((name) => ({
      ...optimizeJob(join(scratch, `fresh-${name}`), { epochs: 2, batchSize: 2, lora: { rank: 4 } }),
      policy: { model },
      reference: { logpFiles: [file] },
    }));
    const results = [await engine.run('optimize', { ...jobs[0], ...twoRanks }), await engine.run('optimize', jobs[1])];
    expectMetrics(results[0].metrics, results[1].metrics);
  });

  test('in training all weights, and with PyTorch', async () => {
    const full = referenceCase('llama-tied');
    const outDir = join(scratch, 'full');
    const job = full.optimizeJob(outDir, { full: true, epochs: 3, weightDecay: 0.1, shuffle: false });
    const { metrics } = await engine.run('optimize', { ...job, ...twoRanks });
    const numbers = readJson<{ selm: { loss: number; grad_norm: number }[] }>(
      fixture('full-fine-tuning/llama-tied.json'),
    );
    for (const [i, { loss, grad_norm }] of numbers.selm.entries()) {
      expect(Math.abs(metrics[i].loss - loss)).toBeLessThan(1e-5);
      expect(Math.abs(metrics[i].grad_norm - grad_norm)).toBeLessThan(1e-4);
    }
    const [before, after] = [openModelWeights(full.model), openModelWeights(outDir)];
    const updates = openSafetensors(fixture('full-fine-tuning/llama-tied.safetensors'));
    expect([...after.keys()].sort()).toEqual([...updates.keys()].sort());
    for (const [key, entry] of updates) {
      const [start, trained, update] = [before.get(key)!, after.get(key)!, entry].map(readTensorF32);
      expectSameTraining(
        trained.map((value, i) => value - start[i]),
        update,
        key,
      );
    }
    // The folder is a policy: both backends open it.
    expect(openModelFolder(outDir).config).toEqual({ ...openModelFolder(full.model).config });
  });

  test("in supervised fine-tuning on conversations: the loss is over the assistant's tokens alone", async () => {
    const sft = readJson<{ rows: DemonstrationRecord[]; completion_tokens: number; loss: number }>(
      fixture('sft/expected.json'),
    );
    const training = trainingSchema.parse({ batchSize: 3 });
    const job = {
      policy: { model: fixture('sft/model') },
      rows: sft.rows,
      training,
      seed: 0,
      outDir: join(scratch, 'sft'),
    };
    const { metrics, rows: counts } = await engine.run('sft', { ...job, ...twoRanks });
    expect(metrics[0]['completion_tokens']).toBe(sft.completion_tokens);
    expect(metrics[0].loss).toBeCloseTo(sft.loss, 4);
    expect(counts.rows).toBe(sft.rows.length);
  });

  test("in PairRM's scores, which are the authors'", async () => {
    const { scores, cut } = await engine.run('rank', { model: folderOf('pairrm-hf'), rows: compared, ...twoRanks });
    expect(difference(scores as number[][], ranked['pairrm-hf'].scores)).toBeLessThan(1e-4);
    expect(cut).toBe((await engine.run('rank', { model: folderOf('pairrm-hf'), rows: compared })).cut);
  });

  test('in what it does not compute: onnx does', async () => {
    const prompts = [{ id: 'first', prompt_input_ids: pairs[0].prompt }];
    const settings = {
      samplesPerPrompt: 1,
      temperature: 0,
      topP: 1,
      topK: 0,
      maxNewTokens: 4,
      batchSize: 1,
      weights: 'f32' as const,
    };
    const job = { policy: { model: tinyModel(join(scratch, 'tiny')) }, prompts, settings, seed: 0, threads: 1 };
    const [torch, onnx] = [await engine.run('sample', { ...job, ...twoRanks }), await engine.run('sample', job)];
    expect(torch).toEqual(onnx);
  });

  test('in what it refuses', async () => {
    const empty = { ...optimizeJob(join(scratch, 'empty'), {}), rows: [], ...twoRanks };
    await expect(engine.run('optimize', empty)).rejects.toThrow(/^There is nothing to train on/);
  });
});
