/** Devices: one that is not there is told of at once; one that is there computes what PyTorch does. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { checkDevice, providerLibrary } from '../../../engine/onnx/device.ts';
import { LocalEngine } from '../../../engine/onnx/engine.ts';
import { samplingSchema } from '../../../engine/protocol/settings.ts';
import { CPU, targetOf } from '../../../engine/onnx/target.ts';
import { temporaryFolder } from '../../temporary.ts';
import { fixture, readJson, referenceCase, ROLES, undisturbed } from '../reference-case.ts';

const folder = temporaryFolder();
const engine = new LocalEngine();
afterAll(() => engine.close());

const { policy: onCpu, reference, pairs, expected, optimizeJob } = referenceCase('llama');
const policy = { ...onCpu, device: 'cuda' as const };
const rows = pairs.flatMap((pair) =>
  ROLES.map((role) => ({ prompt_input_ids: pair.prompt, response_input_ids: pair[role] })),
);
const prompts = [{ id: 'first', prompt_input_ids: pairs[0].prompt }];

const works = await checkDevice('cuda').then(
  () => true,
  () => false,
);

test('the CPU is always there', async () => {
  await checkDevice('cpu');
  expect(targetOf('cpu', 'BF16')).toBe(CPU);
});

test('CUDA computes in the type that the weights are stored in, or in float16', () => {
  expect(targetOf('cuda', 'BF16').compute).toBe('bfloat16');
  for (const stored of ['F16', 'F32']) expect(targetOf('cuda', stored).compute).toBe('float16');
});

test.skipIf(existsSync(providerLibrary()))(
  'without its provider CUDA is refused in a sentence, whatever is asked for',
  async () => {
    const sentence = /^device: cuda .*npm rebuild onnxruntime-node --ignore-scripts=false.* or set device: cpu\.$/;
    await expect(checkDevice('cuda')).rejects.toThrow(sentence);
    const settings = samplingSchema.parse({ maxNewTokens: 4 });
    const jobs = [
      engine.run('score', { policy, rows }, undisturbed),
      engine.run('sample', { policy, prompts, settings, seed: 0 }, undisturbed),
      engine.run('optimize', { ...optimizeJob(join(folder, 'out'), {}), policy }, undisturbed),
    ];
    for (const refused of await Promise.allSettled(jobs)) {
      expect(refused).toMatchObject({
        status: 'rejected',
        reason: { message: expect.stringMatching(sentence) as string },
      });
      expect((refused as PromiseRejectedResult).reason).toBeInstanceOf(InputError);
    }
  },
);

// Runs where there is a GPU with all it needs; elsewhere nothing here has seen one.
describe.skipIf(!works)('on the GPU', () => {
  test("log-probabilities are PyTorch's, but for rounding", async () => {
    const scores = await engine.run('score', { policy, rows }, undisturbed);
    const truth = expected.steps[0].policy_logps.flatMap((row) => ROLES.map((role) => row[role]));
    for (const [i, { logp }] of scores.entries()) expect(Math.abs(logp - truth[i])).toBeLessThan(0.05);
  });

  test("divergences are PyTorch's, but for rounding", async () => {
    const { rows, cases } = readJson<{ rows: { prompt: number[]; response: number[] }[]; cases: { kl: number[] }[] }>(
      fixture('kl/kl.json'),
    );
    const tokenized = rows.map(({ prompt, response }) => ({ prompt_input_ids: prompt, response_input_ids: response }));
    const job = { policy, reference: { model: policy.model }, rows: tokenized };
    const divergences = await engine.run('divergence', job, undisturbed);
    // The first case is this policy against its model.
    for (const [i, { kl }] of divergences.entries()) expect(Math.abs(kl / cases[0].kl[i] - 1)).toBeLessThan(0.05);
  });

  test('greedy tokens', async () => {
    const settings = samplingSchema.parse({ maxNewTokens: expected.greedy_first_prompt.length });
    const { responses } = await engine.run('sample', { policy, prompts, settings, seed: 0 }, undisturbed);
    expect(responses[0][0].token_ids).toEqual(expected.greedy_first_prompt);
  });

  test('three AdamW steps', async () => {
    const job = optimizeJob(join(folder, 'trained'), {
      learningRate: expected.learning_rate,
      maxGradNorm: expected.max_grad_norm,
      epochs: 3,
      shuffle: false,
    });
    const { metrics } = await engine.run('optimize', { ...job, policy, reference }, undisturbed);
    for (const [i, { loss, grad_norm }] of expected.steps.entries()) {
      expect(Math.abs(metrics[i].loss - loss)).toBeLessThan(5e-3);
      expect(metrics[i].grad_norm / grad_norm).toBeCloseTo(1, 1);
    }
  });
});
