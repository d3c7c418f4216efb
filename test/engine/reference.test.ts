/** The engine against PyTorch's numbers for six small models of the Llama family (see test/fixtures/reference). */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalEngine } from '../../engine/onnx/engine.ts';
import { Generator } from '../../engine/onnx/generation/generate.ts';
import type { TrainResult } from '../../engine/protocol/jobs.ts';
import { layersOf } from '../../engine/model-files/linear-layers.ts';
import { readAdapter } from '../../engine/model-files/lora.ts';
import { openLlamaPolicy } from '../../engine/tokens/policy.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { preferenceTask } from '../../engine/onnx/training/preference.ts';
import { preferenceExamples } from '../../engine/training/preference.ts';
import { temporaryFolder } from '../temporary.ts';
import { expectGradients, microBatchGradients } from './micro-batch-gradients.ts';
import { referenceCase, ROLES, tokenized, undisturbed, type Roles } from './reference-case.ts';
import { expectSameTraining } from './trained-weights.ts';

const CASES = ['llama', 'llama-tied', 'llama3-rope', 'mistral', 'qwen2', 'qwen3'];
const scratch = temporaryFolder();

const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;

describe.each(CASES)('%s', (name) => {
  const { folder, policy, reference, pairs, expected, optimizeJob } = referenceCase(name);
  const engine = new LocalEngine();
  afterAll(() => engine.close());

  const job = optimizeJob(join(scratch, name), {
    learningRate: expected.learning_rate,
    maxGradNorm: expected.max_grad_norm,
    epochs: expected.steps.length,
    shuffle: false,
  });

  test.each([
    ['reference', reference, expected.reference_logps],
    ['policy', policy, expected.steps[0].policy_logps],
  ])('log-probabilities of the %s policy', async (_, scored, logps) => {
    const rows = pairs.flatMap((pair) =>
      ROLES.map((role) => ({ prompt_input_ids: pair.prompt, response_input_ids: pair[role] })),
    );
    const result = await engine.run('score', { policy: scored, rows }, undisturbed);
    const flat = logps.flatMap((row) => ROLES.map((role) => row[role]));
    for (const [i, { logp }] of result.entries()) expect(Math.abs(logp - flat[i])).toBeLessThan(1e-4);
  });

  test('every LoRA gradient of the first step', async () => {
    const opened = openLlamaPolicy(policy);
    const refs = pairs.flatMap((pair, i) =>
      ROLES.map((role) => [`${pair.prompt}|${pair[role]}`, expected.reference_logps[i][role]]),
    );
    const known = new Map(refs as [string, number][]);
    const examples = await preferenceExamples(pairs.map(tokenized), (rows) =>
      Promise.resolve(Float64Array.from(rows, ({ prompt, response }) => known.get(`${prompt}|${response}`)!)),
    );
    const gradients = await microBatchGradients(opened, preferenceTask(examples, job.objective));
    expectGradients(gradients, join(folder, 'gradients.safetensors'));
  });

  describe('three AdamW steps', () => {
    let result: TrainResult;
    beforeAll(async () => {
      result = await engine.run('optimize', job, undisturbed);
    });

    test('losses and gradient norms', () => {
      expect(result.metrics).toHaveLength(expected.steps.length);
      for (const [i, { loss, grad_norm }] of expected.steps.entries()) {
        expect(Math.abs(result.metrics[i].loss - loss)).toBeLessThan(1e-5);
        expect(Math.abs(result.metrics[i].grad_norm - grad_norm)).toBeLessThan(1e-4);
      }
    });

    test('the metrics say what the log-probabilities say', () => {
      for (const [i, { policy_logps }] of expected.steps.entries()) {
        const rewards = (role: keyof Roles<number>) =>
          policy_logps.map((row, j) => expected.beta * (row[role] - expected.reference_logps[j][role]));
        const [chosen, rejected] = [rewards('chosen'), rewards('rejected')];
        expect(result.metrics[i]['rewards/chosen']).toBeCloseTo(mean(chosen), 4);
        expect(result.metrics[i]['rewards/margins']).toBeCloseTo(mean(chosen) - mean(rejected), 4);
        expect(result.metrics[i]['rewards/accuracies']).toBeCloseTo(
          mean(chosen.map((c, j) => Number(c > rejected[j]))),
        );
        expect(result.metrics[i]['logps/reference']).toBeCloseTo(mean(policy_logps.map((row) => row.reference)), 3);
      }
    });

    test('the adapter', () => {
      const layers = layersOf(openLlamaPolicy(policy).model);
      const [trained, wanted] = [job.outDir, join(folder, 'adapter_final')].map(
        (at) => readAdapter(at, layers).matrices,
      );
      expect(trained.size).toBe(wanted.size);
      for (const [layer, { a, b }] of wanted) {
        expectSameTraining(trained.get(layer)!.a, a, `${layer}, A`);
        expectSameTraining(trained.get(layer)!.b, b, `${layer}, B`);
      }
    });
  });

  test('greedy tokens', async () => {
    const opened = openLlamaPolicy(policy);
    const settings = samplingSchema.parse({ maxNewTokens: expected.greedy_first_prompt.length });
    const generator = await Generator.open(opened, settings, opened.model.config.eosIds, 2);
    const prompts = [{ id: 'first', tokens: pairs[0].prompt }];
    const [[{ tokens }]] = await generator.generate(prompts, 0, () => {});
    expect(tokens).toEqual(expected.greedy_first_prompt);
    await generator.close();
  });
});
