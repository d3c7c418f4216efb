/** Which prompts are in a batch while responses end one by one. */
import { expect, test } from 'vitest';
import { liveSamples, Slots } from '../../../../engine/onnx/generation/slots.ts';

/** Ends samples of the prompt. */
function end(slots: Slots, prompt: number, samples: number[]): void {
  const slot = slots.active.find((active) => active.prompt === prompt)!;
  for (const sample of samples) slot.samples[sample].done = true;
}
const prompts = (slots: Slots) => slots.active.map(({ prompt }) => prompt);
const rows = (slots: Slots) => slots.active.flatMap(liveSamples).length;

test('a prompt enters as soon as its samples fit, before the responses to another one are complete', () => {
  const slots = new Slots([0, 1, 2, 3, 4], 9, 4);
  expect(slots.refill()).toEqual([undefined, undefined]);
  expect([prompts(slots), rows(slots)]).toEqual([[0, 1], 8]);

  end(slots, 0, [1, 3]);
  expect(slots.refill()).toEqual([0, 1]);
  end(slots, 1, [2]);
  expect(slots.refill()).toEqual([0, 1, undefined]);
  expect([prompts(slots), rows(slots)]).toEqual([[0, 1, 2], 9]);

  // A new prompt takes the place of a complete one, and the others keep theirs.
  end(slots, 1, [0, 1, 3]);
  end(slots, 2, [0]);
  expect(slots.refill()).toEqual([0, undefined, 2]);
  expect([prompts(slots), rows(slots)]).toEqual([[0, 3, 2], 9]);

  // Nothing fits: the batch shrinks.
  end(slots, 0, [0, 2]);
  expect(slots.refill()).toEqual([1, 2]);
  expect([prompts(slots), rows(slots)]).toEqual([[3, 2], 7]);

  end(slots, 3, [0, 1, 2, 3]);
  end(slots, 2, [1, 2, 3]);
  expect(slots.refill()).toEqual([undefined]);
  expect([prompts(slots), rows(slots)]).toEqual([[4], 4]);
});

test('a prompt with more samples than rows is alone in the batch', () => {
  const slots = new Slots([0, 1], 3, 4);
  expect(slots.refill()).toEqual([undefined]);
  end(slots, 0, [0, 1, 2]);
  expect(slots.refill()).toEqual([0]);
  end(slots, 0, [3]);
  expect(slots.refill()).toEqual([undefined]);
  expect(prompts(slots)).toEqual([1]);
});
