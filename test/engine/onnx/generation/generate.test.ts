/** Responses depend only on policy, prompt, seed and settings, and their log-probabilities are those that score() computes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../../data/errors.ts';
import { graphChoice } from '../../../../engine/onnx/generation/sampling.ts';
import { Generator } from '../../../../engine/onnx/generation/generate.ts';
import { commonPrefix } from '../../../../engine/training/groups.ts';
import type { Generated, PromptTokens } from '../../../../engine/onnx/generation/slots.ts';
import { openLlamaPolicy } from '../../../../engine/tokens/policy.ts';
import { uniform } from '../../../../data/random.ts';
import { Scorer } from '../../../../engine/onnx/score.ts';
import { samplingSchema, type SamplingSettings } from '../../../../engine/protocol/settings.ts';
import { referenceCase } from '../../reference-case.ts';

const VOCABULARY = 97;
const POSITIONS = 256;
const SEED = 3;
/** A few of the 97 tokens end a response, so that responses have many lengths. */
const EOS = [2, 19];
/** More than two runs of the decode graph. */
const LIMIT = 70;

const opened = openLlamaPolicy(referenceCase('llama').policy);
const prompt = (id: string, length: number): PromptTokens => ({
  id,
  tokens: Array.from({ length }, (_, i) => (length * 31 + i * 17) % VOCABULARY),
});
const PROMPTS = [12, 1, 70, 33, 5, 64, 2, 128, 65, 20, 9, 40].map((length, i) => prompt(`prompt ${i}`, length));

/** Opened once for all tests. */
const generators = new Map<string, Promise<Generator>>();
function openGenerator(settings: Partial<SamplingSettings>): Promise<Generator> {
  const parsed = samplingSchema.parse({ maxNewTokens: LIMIT, ...settings });
  const key = JSON.stringify(parsed);
  if (!generators.has(key)) generators.set(key, Generator.open(opened, parsed, EOS, 2));
  return generators.get(key)!;
}
afterAll(async () => {
  for (const generator of generators.values()) await (await generator).close();
});

async function generate(settings: Partial<SamplingSettings>, prompts = PROMPTS, seed = SEED): Promise<Generated[][]> {
  return (await openGenerator(settings)).generate(prompts, seed, () => {});
}
const tokensOf = (responses: Generated[][]) => responses.map((samples) => samples.map(({ tokens }) => tokens));

let scorer: Scorer;
beforeAll(async () => {
  scorer = await Scorer.open(opened, 2);
});
afterAll(() => scorer.close());

describe.each([
  ['greedy', { temperature: 0 }],
  ['one sample at temperature 1', { temperature: 1 }],
  ['three samples at temperature 1', { temperature: 1, samplesPerPrompt: 3 }],
])('%s', (_, settings) => {
  let alone: number[][][];
  beforeAll(async () => {
    alone = [];
    for (const one of PROMPTS) alone.push(...tokensOf(await generate(settings, [one])));
  });

  test.each([1, 7, 32])(
    'the responses to a prompt are the same as alone, with %d sequences at once',
    async (batchSize) => {
      expect(tokensOf(await generate({ ...settings, batchSize }))).toEqual(alone);
    },
  );

  test('and in any shard, in any order', async () => {
    const order = [7, 2, 10, 0, 5];
    const answers = await generate(
      { ...settings, batchSize: 6 },
      order.map((i) => PROMPTS[i]),
    );
    expect(tokensOf(answers)).toEqual(order.map((i) => alone[i]));
  });

  test('responses end at an EOS token or at the limit, and report which', async () => {
    const answers = (await generate(settings)).flat();
    for (const { tokens, finishReason } of answers) {
      const end = tokens.findIndex((id) => EOS.includes(id));
      expect(end).toBe(finishReason === 'stop' ? tokens.length - 1 : -1);
      if (finishReason === 'length') expect(tokens).toHaveLength(LIMIT);
    }
    expect(new Set(answers.map(({ finishReason }) => finishReason))).toEqual(new Set(['stop', 'length']));
  });

  test('the log-probability of a response is that of score()', async () => {
    const answers = await generate(settings);
    const rows = answers.flatMap((samples, i) =>
      samples.map(({ tokens }) => ({ prompt: PROMPTS[i].tokens, response: tokens })),
    );
    const logps = await scorer.score(rows);
    for (const [i, { logp }] of answers.flat().entries()) expect(Math.abs(logp - logps[i])).toBeLessThan(1e-4);
  });
});

describe('prompts with a common prefix', () => {
  const start = prompt('start', 30).tokens;
  const alike = [0, 1, 5, 40].map((more, i) => ({ id: `alike ${i}`, tokens: [...start, ...prompt('', more).tokens] }));

  test.each([
    ['one of them the prefix of all', alike],
    ['all the same', [0, 1, 2].map((i) => ({ id: `same ${i}`, tokens: start }))],
    [
      'too many for one prefill run',
      Array.from({ length: 40 }, (_, i) => ({ id: `${i}`, tokens: [...start, i, ...start] })),
    ],
  ])('%s: the responses are the same as alone', async (_, prompts) => {
    const settings = { temperature: 1, maxNewTokens: 20 };
    const alone: number[][][] = [];
    for (const one of prompts) alone.push(...tokensOf(await generate(settings, [one])));
    expect(tokensOf(await generate(settings, prompts))).toEqual(alone);
    expect(tokensOf(await generate({ ...settings, batchSize: 2 }, prompts))).toEqual(alone);
  });

  test('commonPrefix() is at most the shortest of them', () => {
    expect(commonPrefix([])).toEqual([]);
    expect(commonPrefix([[1, 2]])).toEqual([1, 2]);
    expect(
      commonPrefix([
        [1, 2, 3],
        [1, 2],
        [1, 2, 4],
      ]),
    ).toEqual([1, 2]);
    expect(commonPrefix([[1], [2, 1]])).toEqual([]);
  });
});

/** The probabilities of all next tokens from the scoring graph, another path through the model than decoding. */
async function nextTokens(context: number[]): Promise<number[]> {
  const rows = Array.from({ length: VOCABULARY }, (_, id) => ({ prompt: context, response: [id] }));
  return [...(await scorer.score(rows))].map(Math.exp);
}

async function follow(start: PromptTokens, choose: (probabilities: number[], tokenIndex: number) => number) {
  const tokens: number[] = [];
  while (tokens.length < LIMIT && !EOS.includes(tokens.at(-1)!)) {
    tokens.push(choose(await nextTokens([...start.tokens, ...tokens]), tokens.length));
  }
  return tokens;
}

describe.each([PROMPTS[0], PROMPTS[1], PROMPTS[5]])('$id', (one) => {
  test('each sample is drawn from the distribution of the next token by its own random numbers', async () => {
    const [samples] = await generate({ temperature: 1, samplesPerPrompt: 3 }, [one]);
    for (const [index, { tokens }] of samples.entries()) {
      const drawn = await follow(one, (probabilities, tokenIndex) => {
        let left = uniform(SEED, one.id, index, tokenIndex);
        return probabilities.findIndex((probability) => (left -= probability) < 0);
      });
      expect(tokens).toEqual(drawn);
    }
  });

  test('the greedy response takes the likeliest token each time', async () => {
    const [[{ tokens }]] = await generate({}, [one]);
    expect(tokens).toEqual(await follow(one, (probabilities) => probabilities.indexOf(Math.max(...probabilities))));
  });
});

test.each([
  ['top-k of one', { temperature: 1, topK: 1 }],
  ['a tiny top-p', { temperature: 1, topP: 1e-6 }],
  ['a temperature next to zero', { temperature: 1e-4 }],
])('%s is greedy', async (_, settings) => {
  expect(tokensOf(await generate(settings))).toEqual(tokensOf(await generate({})));
});

test('another seed, another prompt id and another sample give other responses', async () => {
  const one = PROMPTS[0];
  const settings = { temperature: 1, samplesPerPrompt: 2 };
  const [[first, second]] = tokensOf(await generate(settings, [one]));
  const [[otherSeed]] = tokensOf(await generate(settings, [one], SEED + 1));
  const [[otherId]] = tokensOf(await generate(settings, [{ ...one, id: 'other' }]));
  for (const other of [second, otherSeed, otherId]) expect(other).not.toEqual(first);
});

describe('a prompt', () => {
  test('longer than maxPromptLength is refused by name', async () => {
    const long = generate({ maxPromptLength: 69 });
    await expect(long).rejects.toThrow(InputError);
    await expect(long).rejects.toThrow('Prompt "prompt 2" has 70 tokens, more than the 69 of maxPromptLength.');
  });

  test('and its response have at most as many tokens as the model has positions', async () => {
    const longest = prompt('longest', POSITIONS - LIMIT);
    // Beside another prompt whose response keeps the batch decoding after the end of this one.
    const answers = await generate({ batchSize: 2 }, [longest, PROMPTS[0]]);
    expect(tokensOf(answers)).toEqual([
      ...tokensOf(await generate({}, [longest])),
      ...tokensOf(await generate({}, [PROMPTS[0]])),
    ]);
    const tooLong = generate({}, [prompt('too long', POSITIONS - LIMIT + 1)]);
    await expect(tooLong).rejects.toThrow(InputError);
    await expect(tooLong).rejects.toThrow(
      /a sequence of 257 tokens is longer than the model's 256 positions: generate at most 69 new tokens/,
    );
  });
});

test('progress reports complete prompts and sampled tokens, and its listener can stop the generation', async () => {
  const generator = await openGenerator({ batchSize: 4 });
  const reports: [number, number][] = [];
  const answers = await generator.generate(PROMPTS, SEED, (prompts, tokens) => reports.push([prompts, tokens]));
  const sampled = answers.flat().reduce((total, { tokens }) => total + tokens.length, 0);
  expect(reports.at(-1)).toEqual([PROMPTS.length, sampled]);
  expect(reports.length).toBeGreaterThan(LIMIT / 32);
  for (const [i, [prompts, tokens]] of reports.slice(1).entries()) {
    expect(prompts).toBeGreaterThanOrEqual(reports[i][0]);
    expect(tokens).toBeGreaterThan(reports[i][1]);
  }
  const stopped = generator.generate(PROMPTS, SEED, () => {
    throw new Error('enough');
  });
  await expect(stopped).rejects.toThrow('enough');
});

test('a generator takes other temperatures, lengths and batch sizes than those that it was opened with', async () => {
  const settings = samplingSchema.parse({ maxNewTokens: 20, temperature: 1.3, topK: 50, batchSize: 3 });
  const others = { maxNewTokens: 8, temperature: 0.7, topK: 50, batchSize: 12 };
  expect(graphChoice(samplingSchema.parse(others))).toEqual(graphChoice(settings));
  const generator = await openGenerator(others);
  const answers = await generator.generate(PROMPTS, SEED, () => {}, { settings });
  expect(answers).toEqual(await generate(settings));
  expect(tokensOf(answers)).not.toEqual(tokensOf(await generate({ ...settings, temperature: 0.7 })));
});

test.each([
  ['greedy decoding', { temperature: 0.5 }, { temperature: 0 }],
  ['logits as they are', { temperature: 0.5 }, { temperature: 1 }],
  ['top-k', { temperature: 0.5 }, { temperature: 0.5, topK: 5 }],
  ['top-p', { temperature: 0.5 }, { temperature: 0.5, topP: 0.9 }],
  ['the number of samples', {}, { samplesPerPrompt: 2 }],
  ['8-bit weights', {}, { weights: 'q8' as const }],
])('%s needs a graph of its own', (_, one, other) => {
  expect(graphChoice(samplingSchema.parse(one))).not.toEqual(graphChoice(samplingSchema.parse(other)));
});

/** Most tokens of a prompt's responses: some prompts are cancelled before the first run, some after it. */
const mostOf = (i: number) => [Infinity, 0, Infinity, 2][i % 4];

describe('followed token by token', () => {
  const drawn = { temperature: 1, samplesPerPrompt: 2, batchSize: 8 };

  test.each([1, 3, 40])('at most %i at a time, the reported tokens are those of the responses', async (runTokens) => {
    const generator = await openGenerator(drawn);
    const expected = tokensOf(await generate(drawn));
    const told = expected.map((samples) => samples.map((): number[] => []));
    const reasons: (string | undefined)[][] = expected.map((samples) => samples.map(() => undefined));
    const answers = await generator.generate(
      PROMPTS,
      SEED,
      (_, __, newTokens) => {
        for (const { prompt: i, sample, tokens, finishReason } of newTokens) {
          expect(tokens.length).toBeLessThanOrEqual(runTokens);
          expect(reasons[i][sample]).toBeUndefined();
          told[i][sample].push(...tokens);
          reasons[i][sample] = finishReason;
        }
      },
      { runTokens },
    );
    expect(tokensOf(answers)).toEqual(expected);
    expect(told).toEqual(expected);
    expect(reasons).toEqual(answers.map((samples) => samples.map(({ finishReason }) => finishReason)));
  });

  test('cancelled prompts, active or waiting, end where they are, and the others are not affected', async () => {
    const generator = await openGenerator(drawn);
    const expected = tokensOf(await generate(drawn));
    let tokens = 0;
    const isCancelled = (i: number) => mostOf(i) === 0 || (mostOf(i) === 2 && tokens > 0);
    const answers = tokensOf(
      await generator.generate(PROMPTS, SEED, (_, sampled) => (tokens = sampled), { runTokens: 2, isCancelled }),
    );
    for (const [i, samples] of answers.entries()) {
      if (mostOf(i) === Infinity) expect(samples).toEqual(expected[i]);
      for (const [j, ids] of samples.entries()) {
        expect(ids).toEqual(expected[i][j].slice(0, ids.length));
        expect(ids.length).toBeLessThanOrEqual(mostOf(i));
      }
    }
    // The longest, which is in the first batch.
    expect(answers[7].flat().length).toBeGreaterThan(0);
    expect(tokens).toBe(answers.flat(2).length);
  });
});

test('no prompts give no responses', async () => {
  expect(await generate({}, [])).toEqual([]);
});
