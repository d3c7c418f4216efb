/** Compares weights after a few steps of AdamW. */
import { expect } from 'vitest';

/** The learning rate of the trainings that are compared. */
const LEARNING_RATE = 1e-3;
/** The largest difference of all weights but one in a thousand. */
const USUAL = 2e-6;

/**
 * Expects weights to be equal but for rounding. AdamW divides a gradient by its size: where a gradient is almost 0, its rounding, which
 * differs by processor, decides a part of the update. So one weight in a thousand may differ by up to a tenth of the learning rate.
 * @param name of the weights, for the message
 */
export function expectSameTraining(actual: Float32Array, wanted: Float32Array, name: string): void {
  expect(actual).toHaveLength(wanted.length);
  const differences = wanted.map((value, i) => Math.abs(actual[i] - value)).sort();
  expect(differences.at(-1), name).toBeLessThan(LEARNING_RATE / 10);
  expect(differences.at(-1 - Math.ceil(wanted.length / 1000)), name).toBeLessThan(USUAL);
}
