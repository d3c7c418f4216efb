/** A preference longer than a block of attention's queries, against PyTorch's numbers (see test/fixtures/long-sequences). */
import { expect, test } from 'vitest';
import { Scorer } from '../../engine/onnx/score.ts';
import { openLlamaPolicy } from '../../engine/tokens/policy.ts';
import { preferenceTask } from '../../engine/onnx/training/preference.ts';
import { preferenceExamples } from '../../engine/training/preference.ts';
import { expectGradients, microBatchGradients } from './micro-batch-gradients.ts';
import { fixture, readJson, referenceCase, ROLES, tokenized, type Pair, type Roles } from './reference-case.ts';

const { pair, beta, alpha, logps } = readJson<{ pair: Pair; beta: number; alpha: number; logps: Roles<number> }>(
  fixture('long-sequences/pair.json'),
);
const opened = openLlamaPolicy(referenceCase('llama').policy);

test('its log-probabilities', async () => {
  const scorer = await Scorer.open(opened, 2);
  const scored = await scorer.score(ROLES.map((role) => ({ prompt: pair.prompt, response: pair[role] })));
  await scorer.close();
  for (const [i, role] of ROLES.entries()) expect(Math.abs(scored[i] / logps[role] - 1), role).toBeLessThan(1e-6);
});

test.each([false, true])('its gradients, activations recomputed: %s', async (recompute) => {
  const examples = await preferenceExamples([tokenized(pair)], (rows) =>
    Promise.resolve(new Float64Array(rows.length)),
  );
  const gradients = await microBatchGradients(
    opened,
    preferenceTask(examples, { name: 'selm', beta, alpha }),
    recompute,
  );
  expectGradients(gradients, fixture('long-sequences/gradients.safetensors'));
});
