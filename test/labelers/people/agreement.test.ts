import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { dawidSkene } from '../../../labelers/people/agreement/dawid-skene.ts';
import { alphaOf, coincidencesOf } from '../../../labelers/people/agreement/krippendorff.ts';
import { majority, strictlyLargest, type Distribution } from '../../../labelers/people/agreement/majority.ts';

interface Case {
  name: string;
  /** Person x question. */
  votes: (string | null)[][];
  alpha: number | null;
  majority: Record<string, Distribution>;
  posterior: Record<string, Distribution>;
  errorRates: Record<string, Record<string, Distribution>>;
}
const file = new URL('../../fixtures/agreement/agreement.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] };

const TOLERANCE = 1e-9;

const votesOf = ({ votes }: Case) =>
  votes[0].flatMap((_, question) =>
    votes.flatMap((row, person) => {
      const given = row[question];
      return given === null ? [] : [{ question: `q${question}`, person: `person ${person}`, class: given }];
    }),
  );

/** Compares probabilities; those of a class that one side does not list are 0. */
function expectClose(actual: Distribution, expected: Distribution): void {
  for (const name of new Set([...Object.keys(actual), ...Object.keys(expected)])) {
    expect(Math.abs((actual[name] ?? 0) - (expected[name] ?? 0))).toBeLessThan(TOLERANCE);
  }
}

describe.each(cases)('of $name', (given) => {
  test("alpha is krippendorff's", () => {
    const questions = given.votes[0].map((_, i) => given.votes.flatMap((row) => row[i] ?? []));
    const alpha = alphaOf(coincidencesOf(questions));
    if (given.alpha === null) expect(alpha).toBeUndefined();
    else expect(Math.abs(alpha! - given.alpha)).toBeLessThan(TOLERANCE);
  });

  test("shares are crowd-kit's", () => {
    const shares = majority(votesOf(given));
    expect([...shares.keys()].sort()).toEqual(Object.keys(given.majority).sort());
    for (const [question, expected] of Object.entries(given.majority)) expectClose(shares.get(question)!, expected);
  });

  test("posterior and error rates are crowd-kit's", () => {
    const { posterior, errorRates } = dawidSkene(votesOf(given));
    expect([...posterior.keys()].sort()).toEqual(Object.keys(given.posterior).sort());
    for (const [question, expected] of Object.entries(given.posterior)) expectClose(posterior.get(question)!, expected);
    expect([...errorRates.keys()].sort()).toEqual(Object.keys(given.errorRates).sort());
    for (const [person, rates] of Object.entries(given.errorRates)) {
      expect(Object.keys(errorRates.get(person)!).sort()).toEqual(Object.keys(rates).sort());
      for (const [name, expected] of Object.entries(rates)) expectClose(errorRates.get(person)![name]!, expected);
    }
  });
});

test('nothing follows from no votes', () => {
  expect(alphaOf(coincidencesOf([]))).toBeUndefined();
  expect(dawidSkene([])).toEqual({ posterior: new Map(), errorRates: new Map() });
});

test('a class is ahead only if it is more probable than all others, beyond rounding', () => {
  expect(strictlyLargest({ a: 0.2, b: 0.5, c: 0.3 })).toBe('b');
  expect(strictlyLargest({ a: 0.1 + 0.2, b: 0.3, c: 0.3 })).toBeUndefined();
  expect(strictlyLargest({ a: 1 })).toBe('a');
  expect(strictlyLargest({})).toBeUndefined();
});
