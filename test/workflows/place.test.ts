import { expect, test } from 'vitest';
import { placeIn, summaryOf, type Place } from '../../workflows/place.ts';

test.each<[Place, string]>([
  [{ step: 'prepare' }, 'prepare'],
  [{ step: 'start', shard: { index: 1, of: 2 } }, 'start shard 1/2'],
  [{ round: 12, step: 'optimize' }, 'round 12 · optimize'],
  [{ round: 2, step: 'sample', shard: { index: 3, of: 8 } }, 'round 2 · sample shard 3/8'],
])('%j is shown as %j and read from it', (place, summary) => {
  expect(summaryOf(place)).toBe(summary);
  expect(placeIn(summary)).toEqual(place);
});

test.each(['', 'round 2', 'Sends an e-mail to everyone'])('%j is not a summary of a step', (text) => {
  expect(placeIn(text)).toBeUndefined();
});
