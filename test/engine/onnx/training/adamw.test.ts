/** The optimizer against torch.optim.AdamW behind torch.nn.utils.clip_grad_norm_ (see test/fixtures/optimizer). */
import { beforeAll, describe, expect, test } from 'vitest';
import { float32, type Feeds } from '../../../../engine/onnx/session.ts';
import { trainingSchema } from '../../../../engine/protocol/settings.ts';
import { AdamW, type Parameter } from '../../../../engine/onnx/training/adamw.ts';
import { fixture, readJson } from '../../reference-case.ts';

type Values = Record<string, number[]>;
interface Recorded {
  settings: {
    learning_rate: number;
    betas: [number, number];
    eps: number;
    weight_decay: number;
    max_grad_norm: number;
  };
  first: Values;
  steps: { gradients: Values; norm: number; clipped: Values; values: Values }[];
}

const { settings, first, steps } = readJson<Recorded>(fixture('optimizer/adamw.json'));
const [adamBeta1, adamBeta2] = settings.betas;
const parameters: Parameter[] = [
  { name: 'matrix', shape: [2, 3] },
  { name: 'vector', shape: [4] },
];
const numbers = (feeds: Feeds, name: string) => [...(feeds[name].data as Float32Array)];
const expectClose = (actual: number[], wanted: number[]) => {
  expect(actual).toHaveLength(wanted.length);
  for (const [i, value] of wanted.entries()) expect(Math.abs(actual[i] - value)).toBeLessThan(1e-6);
};

let optimizer: AdamW;
beforeAll(() => {
  const values = Object.fromEntries(
    parameters.map(({ name, shape }) => [name, float32(Float32Array.from(first[name]), shape)]),
  );
  const training = trainingSchema.parse({
    adamBeta1,
    adamBeta2,
    adamEpsilon: settings.eps,
    weightDecay: settings.weight_decay,
    maxGradNorm: settings.max_grad_norm,
  });
  optimizer = new AdamW(parameters, values, training);
});

// In this order: each step starts with the moments of the one before.
describe.each(steps.map((recorded, i) => ({ step: i + 1, ...recorded })))(
  'step $step, gradient norm $norm',
  ({ step, gradients, norm, clipped, values }) => {
    const means: Values = {};
    let returned: number;
    beforeAll(() => {
      for (const { name } of parameters) {
        (optimizer.gradients[`gradient.${name}`].data as Float32Array).set(gradients[name]);
        means[name] = numbers(optimizer.moments, `mean.${name}`);
      }
      returned = optimizer.step(step, settings.learning_rate);
    });

    test('reports the norm before clipping', () => expect(returned).toBeCloseTo(norm, 4));

    test('updates the moments with the clipped gradients', () => {
      for (const { name } of parameters) {
        const mean = clipped[name].map((g, i) => adamBeta1 * means[name][i] + (1 - adamBeta1) * g);
        expectClose(numbers(optimizer.moments, `mean.${name}`), mean);
      }
    });

    test('updates the parameters as PyTorch does, and decays only matrices', () => {
      for (const { name } of parameters) expectClose(numbers(optimizer.values, name), values[name]);
    });

    test('clears the gradients', () => {
      for (const { name } of parameters) {
        expect(numbers(optimizer.gradients, `gradient.${name}`).every((value) => value === 0)).toBe(true);
      }
    });
  },
);
