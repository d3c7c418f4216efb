/**
 * Graphs in half precision against PyTorch: its float32 numbers (test/fixtures/reference), and its own in float16 and bfloat16
 * (test/fixtures/half-precision), which show the effect of rounding.
 *
 * ONNX's evaluator rounds every node's result, as a GPU does. ONNX Runtime's CPU provider has few kernels for float16 and none for
 * bfloat16: it computes most nodes in float32 and keeps what it can unrounded, but the weights.
 */
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { DivergenceMeter } from '../../../../engine/onnx/divergence.ts';
import { Generator } from '../../../../engine/onnx/generation/generate.ts';
import { layersOf } from '../../../../engine/model-files/linear-layers.ts';
import { readAdapter } from '../../../../engine/model-files/lora.ts';
import { openSafetensors, readTensorF32 } from '../../../../engine/model-files/safetensors.ts';
import type { OpenPolicy } from '../../../../engine/onnx/policy.ts';
import { Scorer } from '../../../../engine/onnx/score.ts';
import { samplingSchema } from '../../../../engine/protocol/settings.ts';
import { preferenceExamples, preferenceTask } from '../../../../engine/onnx/training/preference.ts';
import { train } from '../../../../engine/onnx/training/train.ts';
import { trainableAdapter } from '../../../../engine/onnx/training/trainable.ts';
import { temporaryFolder } from '../../../temporary.ts';
import { oneMicroBatch, microBatchGradients } from '../../micro-batch-gradients.ts';
import { fixture, readJson, referenceCase, ROLES, tokenized, undisturbed, type Roles } from '../../reference-case.ts';
import { CASES, HALF_TYPES, halfPolicy, type HalfType } from './graphs.ts';
import { computeByOnnx } from './onnx.ts';
import { cosine, greedyByOnnx } from './numbers.ts';
import type { TokenizedResponse } from '../../../../engine/tokens/responses.ts';

interface Rounded {
  logps: Roles<number>[];
  greedy_first_prompt: number[];
}
const torch = readJson<Record<HalfType, Record<string, Rounded>>>(fixture('half-precision/expected.json'));

/** How far from float32: log-probabilities (nats, of 20 to 60), and the least cosine of a matrix's gradient. PyTorch's are about half. */
const LIMITS = {
  float16: { logp: 0.03, cosine: 0.9999 },
  bfloat16: { logp: 0.2, cosine: 0.997 },
};

const scratch = temporaryFolder();

/** The case's batch with its own reference policy's log-probabilities. */
function taskOf(name: string) {
  const { pairs, expected, optimizeJob } = referenceCase(name);
  const known = new Map(
    pairs.flatMap((pair, i) =>
      ROLES.map((role) => [`${pair.prompt}|${pair[role]}`, expected.reference_logps[i][role]] as const),
    ),
  );
  return preferenceExamples(pairs.map(tokenized), (rows) =>
    Promise.resolve(Float64Array.from(rows, ({ prompt, response }) => known.get(`${prompt}|${response}`)!)),
  ).then((examples) => preferenceTask(examples, optimizeJob(scratch, {}).objective));
}

const gradientsOf = (file: string) =>
  [...openSafetensors(file)].map(([key, entry]): [string, Float32Array] => [
    key.replace('base_model.model.', '').replace('.weight', ''),
    readTensorF32(entry),
  ]);

describe.each(CASES)('%s', (name) => {
  const { folder, pairs, expected } = referenceCase(name);
  const truth = expected.steps[0].policy_logps;
  const exact = gradientsOf(`${folder}/gradients.safetensors`);

  describe.each(HALF_TYPES)('every node rounded to %s', (type) => {
    const limits = LIMITS[type];
    const rounded = torch[type][name];
    let policy: OpenPolicy;
    let outputs: Map<string, Float32Array>;
    let logps: Roles<number>[];
    beforeAll(async () => {
      policy = halfPolicy(name, type);
      const task = await taskOf(name);
      const { graph, feeds } = oneMicroBatch(policy, task);
      outputs = await computeByOnnx(scratch, { graph, dataFolder: policy.model.dataFolder }, feeds);
      let next = 0;
      logps = task.examples.map((example) => {
        const first = next;
        next += example.group.responses.length;
        return Object.fromEntries(
          ROLES.map((role) => [role, outputs.get('logps')![first + example[role]]]),
        ) as Roles<number>;
      });
    });

    test('log-probabilities', () => {
      for (const [i, row] of logps.entries()) {
        for (const role of ROLES) {
          expect(Math.abs(row[role] - truth[i][role])).toBeLessThan(limits.logp);
          expect(Math.abs(row[role] - rounded.logps[i][role])).toBeLessThan(limits.logp);
        }
      }
    });

    test("gradients point where PyTorch's do, and are no more wrong than its own in that type", () => {
      const half = new Map(gradientsOf(fixture(`half-precision/${type}-${name}.safetensors`)));
      const errors = exact.map(([layer, gradient]) => {
        const own = outputs.get(`gradient.${layer}`)!;
        expect(cosine(own, gradient), layer).toBeGreaterThan(limits.cosine);
        expect(Math.hypot(...own) / Math.hypot(...gradient), layer).toBeCloseTo(1, type === 'float16' ? 2 : 1);
        return [1 - cosine(own, gradient), 1 - cosine(half.get(layer)!, gradient)];
      });
      const [own, theirs] = [0, 1].map((i) => Math.max(...errors.map((pair) => pair[i])));
      expect(own).toBeLessThan(2 * theirs);
    });

    test('greedy tokens', async () => {
      const tokens = await greedyByOnnx(scratch, policy, pairs[0].prompt, expected.greedy_first_prompt.length);
      // Where two logits are nearly equal, rounding decides: PyTorch's tokens in bfloat16 are not all those in float32 either.
      expect([expected.greedy_first_prompt, rounded.greedy_first_prompt]).toContainEqual(tokens);
    });
  });

  test('float16 on ONNX Runtime: log-probabilities, gradients and greedy tokens', async () => {
    const policy = halfPolicy(name, 'float16');
    const scorer = await Scorer.open(policy, 2);
    const logps = await scorer.score(
      pairs.flatMap((pair) => ROLES.map((role) => ({ prompt: pair.prompt, response: pair[role] }))),
    );
    await scorer.close();
    for (const [i, row] of truth.flatMap((pair) => ROLES.map((role) => pair[role])).entries()) {
      expect(Math.abs(logps[i] - row)).toBeLessThan(LIMITS.float16.logp);
    }
    const gradients = await microBatchGradients(policy, await taskOf(name));
    for (const [layer, gradient] of exact)
      expect(cosine(gradients.get(layer)!, gradient)).toBeGreaterThan(LIMITS.float16.cosine);
    const settings = samplingSchema.parse({ maxNewTokens: expected.greedy_first_prompt.length });
    const generator = await Generator.open(policy, settings, policy.model.config.eosIds, 2);
    const [[{ tokens }]] = await generator.generate([{ id: 'first', tokens: pairs[0].prompt }], 0, () => {});
    await generator.close();
    expect(tokens).toEqual(expected.greedy_first_prompt);
  });

  test('float16 on ONNX Runtime: the divergence from the base model', async () => {
    const { rows, cases } = readJson<{
      rows: TokenizedResponse[];
      cases: { policy: unknown; reference: unknown; kl: number[] }[];
    }>(fixture('kl/kl.json'));
    const { kl: exact } = cases.find(({ policy, reference }) =>
      isDeepStrictEqual(
        [policy, reference],
        [
          [name, 'adapter_init'],
          [name, null],
        ],
      ),
    )!;
    const policy = halfPolicy(name, 'float16');
    const meter = await DivergenceMeter.open(policy, { model: policy.model }, 2);
    const divergences = await meter.measure(rows);
    await meter.close();
    for (const [i, { kl }] of divergences.entries()) expect(Math.abs(kl / exact[i] - 1)).toBeLessThan(0.02);
  });

  test('three AdamW steps in float16 on ONNX Runtime: the state is float32 throughout', async () => {
    const { model, adapter } = halfPolicy(name, 'float16');
    const { optimizeJob } = referenceCase(name);
    const { training } = optimizeJob(scratch, {
      learningRate: expected.learning_rate,
      maxGradNorm: expected.max_grad_norm,
      epochs: expected.steps.length,
      shuffle: false,
    });
    const start = new Map([...adapter!.matrices].map(([layer, { a, b }]) => [layer, { a: a.slice(), b: b.slice() }]));
    const trainable = trainableAdapter(model, adapter!);
    const { metrics } = await train(model, trainable, await taskOf(name), {
      settings: training,
      seed: 0,
      threads: 2,
      ...undisturbed,
    });
    for (const [i, { loss, grad_norm }] of expected.steps.entries()) {
      expect(Math.abs(metrics[i].loss - loss)).toBeLessThan(2e-3);
      expect(metrics[i].grad_norm / grad_norm).toBeCloseTo(1, 2);
    }
    for (const [layer, wanted] of readAdapter(`${folder}/adapter_final`, layersOf(model)).matrices) {
      const [trained, before] = [adapter!.matrices.get(layer)!, start.get(layer)!];
      for (const part of ['a', 'b'] as const) {
        const update = (to: Float32Array) => to.map((value, i) => value - before[part][i]);
        expect(cosine(update(trained[part]), update(wanted[part])), layer).toBeGreaterThan(0.99);
      }
    }
  });
});
