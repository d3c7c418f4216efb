/** The strategies against NumPy (test/fixtures/strategies), which computes their equations for every pair at every step. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { shuffled } from '../../../data/random.ts';
import { allPairs } from '../../../labelers/people/candidates.ts';
import { shareVotes } from '../../../labelers/people/share-votes.ts';
import { strategies } from '../../../labelers/people/strategies/index.ts';
import type { AskablePrompt, SelectedPair } from '../../../labelers/people/strategies/strategy.ts';

interface Expected {
  prompt: string;
  pair: [number, number];
  value: number;
}
interface Fixture extends Record<'margin' | 'gap' | 'd-optimal' | 'd-optimal with asked', Expected[]> {
  prompts: { id: string; rewards: number[]; features: number[][] }[];
  asked: Expected[];
}
const fixture = JSON.parse(
  readFileSync(new URL('../../fixtures/strategies/strategies.json', import.meta.url), 'utf8'),
) as Fixture;
const prompts = fixture.prompts.map(({ id, rewards, features }): AskablePrompt => ({
  id,
  candidates: rewards.map((reward, index) => ({ index, reward, features: Float32Array.from(features[index]) })),
  pairs: allPairs(rewards.length),
}));

const named = (selected: SelectedPair[]) => selected.map(({ prompt: { id }, pair }) => ({ prompt: id, pair }));
const asNamed = (expected: Expected[]) => expected.map(({ prompt, pair }) => ({ prompt, pair }));
const count = fixture.gap.length;

describe.each(['margin', 'gap', 'd-optimal'] as const)('%s', (name) => {
  test('selects what NumPy selects, in this order', async () => {
    const selected = await strategies[name].select(prompts, { count, seed: 0, asked: [] });
    expect(named(selected)).toEqual(asNamed(fixture[name]));
    for (const [i, { value }] of selected.entries()) expect(value).toBeCloseTo(fixture[name][i].value, 9);
  });

  test('does not depend on the order of the prompts', async () => {
    const orders = [prompts, shuffled(prompts, 'another order')];
    const [one, other] = await Promise.all(
      orders.map((order) => strategies[name].select(order, { count, seed: 3, asked: [] })),
    );
    expect(other.map(({ prompt, ...rest }) => ({ id: prompt.id, ...rest }))).toEqual(
      one.map(({ prompt, ...rest }) => ({ id: prompt.id, ...rest })),
    );
  });
});

test('d-optimal takes into account what is asked in any case', async () => {
  const asked = fixture.asked.map(({ prompt, pair }) => ({
    prompt: prompts.find(({ id }) => id === prompt)!,
    pair,
    value: 0,
  }));
  const open = prompts.filter((prompt) => !asked.some((one) => one.prompt === prompt));
  const selected = await strategies['d-optimal'].select(open, { count, seed: 0, asked });
  expect(named(selected)).toEqual(asNamed(fixture['d-optimal with asked']));
  expect(named(selected)).not.toEqual(asNamed(fixture['d-optimal']));
});

describe('where the policy is the start policy, all rewards are 0, and', () => {
  const alike = Array.from({ length: 200 }, (_, i): AskablePrompt => {
    const candidates = Array.from({ length: i % 2 === 0 ? 2 : 5 }, (__, index) => ({ index, reward: 0 }));
    return { id: `p${i}`, candidates, pairs: allPairs(candidates.length) };
  });

  test.each(['random', 'margin', 'gap'] as const)(
    '%s selects prompts and pairs uniformly by the seed',
    async (name) => {
      const select = (seed: number) => strategies[name].select(alike, { count: 100, seed, asked: [] });
      const selected = await select(1);
      expect(named(selected)).toEqual(named(await strategies.random.select(alike, { count: 100, seed: 1, asked: [] })));
      expect(named(await select(2))).not.toEqual(named(selected));
      // Prompts with more pairs are not preferred: of 100, 50 are expected, with a standard deviation of 3.5.
      const large = selected.filter(({ prompt }) => prompt.candidates.length === 5);
      expect(Math.abs(large.length - 50)).toBeLessThan(14);
      expect(new Set(large.map(({ pair }) => String(pair))).size).toBeGreaterThan(7);
    },
  );
});

describe('the votes of a round', () => {
  test.each([
    [100, 0, 1000, { questions: 100, overlapping: 0 }],
    [100, 0.1, 1000, { questions: 84, overlapping: 8 }],
    [100, 1, 1000, { questions: 33, overlapping: 33 }],
    [100, 0.1, 20, { questions: 20, overlapping: 2 }],
    [1, 1, 1000, { questions: 1, overlapping: 0 }],
    [2, 1, 1000, { questions: 1, overlapping: 0 }],
  ])('%i, with overlap %f and %i prompts', (votes, overlap, many, shared) => {
    expect(shareVotes(votes, overlap, many)).toEqual(shared);
  });
});
