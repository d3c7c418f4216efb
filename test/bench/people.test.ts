/** The bench of strategies: its voter against the verifier, and its page against its results. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { describe, expect, test } from 'vitest';
import { label } from '../../activities/label.ts';
import { ask } from '../../activities/people/ask.ts';
import { tally } from '../../activities/people/tally.ts';
import { readVotes } from '../../activities/people/votes.ts';
import { prefer } from '../../activities/prefer.ts';
import { describe as pageOf } from '../../bench/people/page.ts';
import { plots } from '../../bench/people/plots.ts';
import type { BenchResults } from '../../bench/people/results.ts';
import { choiceBetween, simulateVotes } from '../../bench/people/voter.ts';
import { differenceOf, meanOf } from '../../bench/study/results.ts';
import { readPreferences } from '../../data/readers.ts';
import type { PreferenceRecord } from '../../data/records.ts';
import { testContext } from '../activities/context.ts';
import { sampledRow, storeResponses } from '../activities/people/responses.ts';
import { tinyPrompts } from '../tiny-model.ts';

const context = testContext();
const at = (path: string) => new URL(`../../${path}`, import.meta.url);
const percent = (share: number) => (100 * share).toFixed(1);

/** The number of followed instructions (no comma, and a letter e), computed independently of the verifier. */
const followed = (text: string) => Number(!text.includes(',')) + Number(/e/i.test(text));
const contentOf = (response: PreferenceRecord['chosen']) => (response as { content: string }[])[0].content;

/** The share of the preferences whose chosen response follows more instructions, counted independently of the verifier. */
const rightShare = (preferences: PreferenceRecord[]) => {
  const right = preferences.filter(
    ({ chosen, rejected }) => followed(contentOf(chosen)) > followed(contentOf(rejected)),
  );
  return right.length / preferences.length;
};

describe('the simulated voter', () => {
  const texts = [
    ['an e', 'no letter'],
    ['none, of them', 'yes'],
    [',', 'see'],
    ['e', 'ee'],
    [',', ',,'],
    ['e,', 'a'],
  ];
  const rows = Array.from({ length: 240 }, (_, i) => {
    const [{ instruction_id_list, kwargs }] = tinyPrompts(1);
    return sampledRow(`p${i}`, texts[i % texts.length], { instruction_id_list, kwargs });
  });
  const labelByVotes = async (noise: number) => {
    const responses = await storeResponses(context.store, rows);
    const asking = { votes: 240, overlap: 0, strategy: 'random' as const, randomShare: 0 };
    const input = { responses: [responses], policy: 'p', start: 'p', asking, beta: 0.1, seed: 0, threads: 1 };
    const { address: questions } = await ask(context, input, {});
    const truth = await label(context, { responses, label: { by: 'verifier' }, threads: 1 }, {});
    const voted = await simulateVotes(context, { questions, labels: [truth.address], noise, seed: 0 }, {});
    const counting = { votes: [voted.address], questions, responses, aggregation: 'majority' as const, leaveOut: [] };
    const { address, summary } = await tally(context, counting, {});
    const preferred = await prefer(context, { labels: [address], truncated: 'keep' }, {});
    const file = join(await context.store.open(preferred.address), 'preferences.jsonl');
    const preferences = (await readPreferences(file)).rows as PreferenceRecord[];
    return { votes: (await readVotes(context.store, voted.address)).votes, counts: summary.counts, preferences };
  };

  test('without noise prefers what the verifier prefers', async () => {
    const { votes, counts, preferences } = await labelByVotes(0);
    expect(votes).toHaveLength(240);
    // Of the six pairs of texts, two have a better response, and two have responses that both follow all instructions.
    expect(counts).toMatchObject({ asked: 240, preferred: 80, ties: 80, bothBad: 80, disagreed: 0 });
    expect(preferences).toHaveLength(80);
    expect(rightShare(preferences)).toBe(1);
  });

  test('prefers the worse response as often as its noise says', async () => {
    const { counts, preferences } = await labelByVotes(0.3);
    expect(counts).toMatchObject({ preferred: 80, ties: 80, bothBad: 80 });
    // The standard deviation is 0.051.
    expect(Math.abs(rightShare(preferences) - 0.7)).toBeLessThan(0.16);
  });

  test('has no preference between responses that are equally good', () => {
    expect(choiceBetween({ score: 1, pass: true }, { score: 1, pass: true }, true)).toBe('tie');
    expect(choiceBetween({ score: 0.5, pass: false }, { score: 0.5, pass: false }, false)).toBe('both-bad');
    expect(choiceBetween({ score: 0.5, pass: false }, { score: 1, pass: true }, false)).toBe(1);
    expect(choiceBetween({ score: 0.5, pass: false }, { score: 1, pass: true }, true)).toBe(0);
  });
});

describe('the page', () => {
  const rates = { random: [0.1, 0.3], 'd-optimal': [0.4, 0.5] };
  const made: BenchResults = {
    settings: {
      rounds: 2,
      promptsPerRound: 100,
      heldOut: 400,
      votes: 300,
      noise: 0.1,
      epochs: 3,
      threads: 1,
      engine: 'selm',
    },
    runs: Object.entries(rates).flatMap(([method, of]) =>
      [0, 1, 2].map((seed) => ({
        method,
        seed,
        start: { strictPassRate: 0.02, meanScore: 0.3, tokens: 8 },
        rounds: of.map((rate, i) => ({
          round: i + 1,
          strictPassRate: rate + seed / 100,
          meanScore: rate,
          tokens: 8,
          preferences: 150,
          winRate: 0.6,
          kl: 1,
        })),
      })),
    ),
  };

  test('shows the strategies that have run, and their difference to random by seeds that both have', () => {
    const page = pageOf(made);
    expect(page).toContain('6 runs (2 strategies, 3 seeds)');
    const { mean, interval } = meanOf(made, 'd-optimal', 1, 'strictPassRate')!;
    expect(mean).toBeCloseTo(0.41, 12);
    expect(page).toContain(`| d-optimal | ${percent(mean)} [${percent(interval!.low)}, ${percent(interval!.high)}] |`);
    expect(differenceOf(made, 'd-optimal', 1, 'strictPassRate', 'random')!.mean).toBeCloseTo(0.3, 12);
    expect(page).toContain('| d-optimal | **+30.0 [+30.0, +30.0]** | **+20.0 [+20.0, +20.0]** |');
    expect(page).not.toContain('| margin | ');
  });

  test.runIf(existsSync(at('bench/people/results.json')))(
    'and its plots are drawn from bench/people/results.json (else: npm run bench:people -- --draw)',
    async () => {
      const results = JSON.parse(readFileSync(at('bench/people/results.json'), 'utf8')) as BenchResults;
      const file = at('docs/people-strategies.md').pathname;
      const drawn = await format(pageOf(results), { ...(await resolveConfig(file)), filepath: file });
      expect(readFileSync(file, 'utf8')).toBe(drawn);
      for (const { file: name, svg } of plots(results)) {
        expect(drawn).toContain(`](${name})`);
        expect(readFileSync(at(`docs/${name}`), 'utf8')).toBe(svg);
      }
    },
  );
});
