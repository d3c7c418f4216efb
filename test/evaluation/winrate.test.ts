/** Win rates against alpaca_eval's own code; test/fixtures/winrate says how its numbers were made. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { lengthControlledWinRate } from '../../evaluation/winrate/length-control.ts';
import { winRateOf } from '../../evaluation/winrate/win-rate.ts';
import { charactersOf } from '../../data/characters.ts';
import { readAnnotations } from '../../evaluation/winrate/annotations.ts';
import { InputError } from '../../data/errors.ts';
import { selm, summaryOf } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { join } from 'node:path';

type Figures = Record<string, { length_controlled_winrate: number; lc_standard_error: number }>;
interface Case {
  name: string;
  raw: { win_rate: number; standard_error: number; n_wins: number; n_wins_base: number; n_draws: number };
  as_shipped: Figures;
  tight: Figures;
}
interface WinRates {
  winRate: number;
  standardError: number;
  lengthControlled: { winRate: number; standardError: number };
}

const fixtures = new URL('../fixtures/winrate/', import.meta.url).pathname;
const cases = JSON.parse(readFileSync(`${fixtures}winrates.json`, 'utf8')) as Case[];
const folder = temporaryFolder();

describe.each(cases)('comparisons that are $name', ({ name, raw, as_shipped, tight }) => {
  const file = `${fixtures}${name}.json`;

  test("have alpaca_eval's win rate and standard error", async () => {
    const outcomes = (await readAnnotations(file)).map(({ outcome }) => outcome!);
    const { winRate, standardError, wins, losses } = winRateOf(outcomes, 0);
    expect(100 * winRate).toBeCloseTo(raw.win_rate, 10);
    expect(100 * standardError!).toBeCloseTo(raw.standard_error, 10);
    expect([wins, losses]).toEqual([raw.n_wins, raw.n_wins_base]);
  });

  test.each([
    ['length_controlled_minimal', []],
    ['length_controlled_v1', ['--gamed', `${fixtures}df_gamed.csv`]],
  ])("have alpaca_eval's %s", async (model, flags) => {
    const ended = await selm(['winrate', '--annotations', file, ...flags, '--json'], {});
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    const { lengthControlled } = summaryOf<WinRates>(ended);
    expect(100 * lengthControlled.winRate).toBeCloseTo(tight[model].length_controlled_winrate, 4);
    expect(100 * lengthControlled.standardError).toBeCloseTo(tight[model].lc_standard_error, 4);
    // liblinear stops at its tolerance: so near is what alpaca_eval prints.
    expect(Math.abs(100 * lengthControlled.winRate - as_shipped[model].length_controlled_winrate)).toBeLessThan(0.1);
  });

  test("have alpaca_eval's fit with difficulties and without gamed baselines, if rows carry their own", async () => {
    const lines = readFileSync(`${fixtures}df_gamed.csv`, 'utf8').split('\n').slice(1);
    const annotations = await readAnnotations(file);
    const rows = annotations.map((annotation, i) => ({ ...annotation, difficulty: Number(lines[i].split(',')[4]) }));
    const { winRate, standardError } = lengthControlledWinRate(rows, 0)!;
    expect(100 * winRate).toBeCloseTo(tight['length_controlled_noreg'].length_controlled_winrate, 4);
    expect(100 * standardError).toBeCloseTo(tight['length_controlled_noreg'].lc_standard_error, 4);
  });
});

describe('a length-controlled win rate', () => {
  test('has an interval that holds it, the same for the same seed', async () => {
    const annotations = await readAnnotations(`${fixtures}wordy.json`);
    const { winRate, interval } = lengthControlledWinRate(annotations, 0)!;
    expect(interval.low).toBeLessThan(winRate);
    expect(interval.high).toBeGreaterThan(winRate);
    expect(interval.high - interval.low).toBeLessThan(0.2);
    expect(lengthControlledWinRate(annotations, 0)!.interval).toEqual(interval);
    expect(lengthControlledWinRate(annotations, 1)!.interval).not.toEqual(interval);
  });

  test('of answers as long as their opponents is near the raw one, and of ties one half', () => {
    const equal = Array.from({ length: 100 }, (_, i) => ({
      outcome: Number(i % 4 > 0),
      modelLength: 5,
      baselineLength: 5,
    }));
    // The penalty draws it towards one half by less than a point.
    expect(Math.abs(lengthControlledWinRate(equal, 0)!.winRate - 0.75)).toBeLessThan(0.01);
    const ties = equal.map((row, i) => ({ ...row, outcome: 0.5, modelLength: i }));
    expect(lengthControlledWinRate(ties, 0)!.winRate).toBe(0.5);
  });

  test('has the interval of the raw one if all lengths are the same, also where the penalty makes it one half', () => {
    const equal = Array.from({ length: 64 }, (_, i) => ({
      outcome: Number(i % 10 < 6),
      modelLength: 5,
      baselineLength: 5,
    }));
    const { winRate, interval } = lengthControlledWinRate(equal, 0)!;
    const raw = winRateOf(
      equal.map(({ outcome }) => outcome),
      0,
    );
    expect(winRate).toBe(0.5);
    expect(Math.abs(interval.low - raw.interval.low)).toBeLessThan(0.03);
    expect(Math.abs(interval.high - raw.interval.high)).toBeLessThan(0.03);
  });

  test('does not exist for fewer comparisons than the fit needs', () => {
    const few = Array.from({ length: 4 }, () => ({ outcome: 1, modelLength: 1, baselineLength: 2 }));
    expect(lengthControlledWinRate(few, 0)).toBeUndefined();
  });
});

describe('annotations', () => {
  test('as JSON Lines of lengths are those of the full texts; null is not judged', async () => {
    const path = join(folder, 'lengths.jsonl');
    const full = JSON.parse(readFileSync(`${fixtures}wordy.json`, 'utf8')) as {
      preference: number;
      output_1: string;
      output_2: string;
    }[];
    await writeJsonl(
      path,
      full.map(({ preference, output_1, output_2 }, i) => ({
        preference: i === 3 ? null : preference,
        length_baseline: charactersOf(output_1),
        length_model: charactersOf(output_2),
      })),
    );
    const { outcome: _, ...unjudged } = (await readAnnotations(`${fixtures}wordy.json`))[3];
    const expected = (await readAnnotations(`${fixtures}wordy.json`)).map((row, i) => (i === 3 ? unjudged : row));
    expect(await readAnnotations(path)).toEqual(expected);
  });

  test.each([
    [
      { preference: 3, length_baseline: 1, length_model: 1 },
      /line 1 has a wrong "preference": expected 1 \(the baseline/,
    ],
    [{ preference: 2, length_model: 1 }, /line 1 has no "length_baseline"; every row needs one/],
    [{ preference: 2, output_2: 'x' }, /line 1 has no "output_1"; every row needs one/],
    [{ length_baseline: 1, length_model: 1 }, /has no "preference" in any row/],
  ])('are refused where they are none: %j', async (row, message) => {
    const path = join(folder, 'wrong.jsonl');
    await writeJsonl(path, [row]);
    await expect(readAnnotations(path)).rejects.toThrow(InputError);
    await expect(readAnnotations(path)).rejects.toThrow(message);
  });
});
