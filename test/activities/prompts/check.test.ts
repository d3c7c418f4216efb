/** Compares the check of prompts with transformers' tokens (test/fixtures/prompts). */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { checkBenchmark } from '../../../activities/benchmarks/check.ts';
import { checkPrompts, type CheckedPrompts } from '../../../activities/prompts/check.ts';
import type { PromptCheck } from '../../../activities/prompts/request.ts';
import type { LengthSettings } from '../../../activities/prompts/limits.ts';
import { InputError } from '../../../data/errors.ts';
import type { PromptRecord, Text } from '../../../data/records.ts';
import { Spool } from '../../../data/spool.ts';
import type { CallOptions } from '../../../engine/protocol/jobs.ts';
import type { ModelConfig } from '../../../engine/model-files/config.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { droppedNotes } from '../../../report/rounds.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';

interface Kind {
  template: string;
  /** Transformers' token ids of each prompt, or the template's error message. */
  ids: (number[] | string)[];
  /** The same for prompts whose contents were normalized in Python. */
  normalized_ids: (number[] | string)[];
}
const fixtures = fileURLToPath(new URL('../../fixtures/prompts', import.meta.url));
const { prompts, kinds } = JSON.parse(readFileSync(join(fixtures, 'spellings.json'), 'utf8')) as {
  prompts: Text[];
  kinds: Record<string, Kind>;
};
const ROOMY: LengthSettings = {
  sample: { maxNewTokens: 8 },
  optimize: { maxPromptLength: 512, maxLength: 1024 },
  evaluate: { maxNewTokens: 8 },
};

const folder = temporaryFolder();
const reference = fileURLToPath(new URL('../../fixtures/reference/llama/model/config.json', import.meta.url));

function tokenizerOf(template: string, name: string) {
  const home = join(folder, name);
  mkdirSync(home);
  copyFileSync(join(fixtures, 'tokenizer.json'), join(home, 'tokenizer.json'));
  const config = JSON.parse(readFileSync(reference, 'utf8')) as object;
  writeFileSync(join(home, 'config.json'), JSON.stringify({ ...config, vocab_size: 1000 }));
  writeFileSync(join(home, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<|im_end|>' }));
  writeFileSync(join(home, 'chat_template.jinja'), template);
  return loadTokenizer(home);
}
const tokenizers = Object.fromEntries(
  Object.entries(kinds).map(([name, { template }]) => [name, tokenizerOf(template, name)]),
);
const tiny = loadTokenizer(tinyModel(join(folder, 'tiny')));

let files = 0;
function write(rows: object[]): string {
  const file = join(folder, `${files++}.jsonl`);
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}

const spools: Spool<PromptRecord>[] = [];
afterAll(() => spools.forEach((spool) => spool.close()));

const rows = (list: Text[]) => list.map((prompt) => ({ prompt }));
const textsOf = (list: Iterable<PromptRecord>) => [...list].map(({ prompt }) => prompt);

type Changes = Partial<PromptCheck> & { tooLong?: 'drop' | 'fail'; check?: (prompt: PromptRecord) => void };
async function check(
  train: Text[],
  heldOut: Text[] | number,
  { tooLong, check: checkOne, ...changes }: Changes = {},
  options: CallOptions = {},
): Promise<CheckedPrompts & { texts: Text[]; heldTexts: Text[]; file: string }> {
  const spool = new Spool<PromptRecord>(folder);
  spools.push(spool);
  const file = write(rows(train));
  const settings = {
    train: file,
    heldOut: typeof heldOut === 'number' ? heldOut : write(rows(heldOut)),
    ...(tooLong && { tooLong }),
  };
  const input = {
    prompts: settings,
    limits: ROOMY,
    seed: 0,
    tokenizer: tiny,
    config: { maxPositions: 1024 } as ModelConfig,
  };
  const checked = await checkPrompts({ ...input, ...changes }, spool, options, checkOne);
  return { ...checked, texts: textsOf(spool.read(checked.train)), heldTexts: textsOf(checked.heldOut), file };
}

const trimmed = (list: Text[]) => list.map((text) => (text as string).trim());
const questions = (count: number) => Array.from({ length: count }, (_, i) => `Question ${i}?`);

describe.each(Object.entries(kinds))('with a template that has a %s', (name, { ids, normalized_ids }) => {
  const tokenizer = tokenizers[name];
  const accepted = prompts.flatMap((prompt, i) =>
    typeof ids[i] === 'string'
      ? []
      : { prompt, key: JSON.stringify(ids[i]), length: ids[i].length, text: JSON.stringify(normalized_ids[i]) },
  );
  const firsts = accepted.filter(({ key }, i) => accepted.findIndex((other) => other.key === key) === i);

  test('prompts are the same where their tokens are, as transformers has them, and the first one stays', async () => {
    expect(firsts.length).toBeLessThan(accepted.length);
    const checked = await check(
      accepted.map(({ prompt }) => prompt),
      ['Other?'],
      { tokenizer },
    );
    expect(new Set(checked.texts)).toEqual(new Set(firsts.map(({ prompt }) => prompt)));
    expect(checked.dropped.train).toMatchObject({
      duplicates: accepted.length - firsts.length,
      tooLong: 0,
      heldOut: 0,
    });
    const lengths = firsts.map(({ length }) => length);
    expect(checked.tokens.longest).toBe(Math.max(...lengths));
    expect(checked.tokens.mean).toBeCloseTo(lengths.reduce((sum, length) => sum + length, 0) / lengths.length, 10);
  });

  test('a held-out prompt is not trained on in any spelling: of the same tokens, or of the same text', async () => {
    for (const held of accepted) {
      const checked = await check(
        accepted.map(({ prompt }) => prompt),
        [held.prompt],
        { tokenizer },
      );
      const isHeld = ({ key, text }: { key: string; text: string }) => key === held.key || text === held.text;
      const left = firsts.filter((other) => !isHeld(other));
      expect(new Set(checked.texts)).toEqual(new Set(left.map(({ prompt }) => prompt)));
      expect(checked.dropped.train.heldOut).toBe(firsts.length - left.length);
      expect(left.length).toBeLessThan(firsts.length);
    }
  });
});

describe('equal prompts', () => {
  test('count once, in both files', async () => {
    const checked = await check([...questions(12), ...questions(6)], [...questions(2), 'Other?', 'Other?']);
    expect(checked.heldTexts).toEqual(['Question 0?', 'Question 1?', 'Other?']);
    expect(new Set(checked.texts)).toEqual(new Set(questions(12).slice(2)));
    expect(checked.dropped).toMatchObject({
      train: { duplicates: 6, heldOut: 2, tooLong: 0 },
      heldOut: { duplicates: 1, tooLong: 0 },
    });
  });

  test('do not keep prompts from being drawn to be held out, nor come back into training', async () => {
    const given = [...questions(12), ...questions(6), ...questions(12).map((text) => ` ${text}\n`)];
    const checked = await check(given, 4);
    expect(checked.heldTexts).toHaveLength(4);
    expect(trimmed(checked.texts).filter((text) => trimmed(checked.heldTexts).includes(text))).toEqual([]);
    // Each text has two spellings, which the template does not trim. For each held-out text, its other spelling is dropped.
    const drawn = new Set(trimmed(checked.heldTexts)).size;
    expect(checked.texts).toHaveLength(24 - 2 * drawn);
    expect(checked.dropped.train).toMatchObject({ duplicates: 6, heldOut: 2 * drawn - 4 });
  });
});

/** A prompt with this number of tokens. The tiny model's template adds three tokens. */
const long = (tokens: number) => 'w'.repeat(tokens - 3);

const limits = (changes: { [Step in keyof LengthSettings]?: Partial<LengthSettings[Step]> }): LengthSettings => ({
  sample: { ...ROOMY.sample, ...changes.sample },
  optimize: { ...ROOMY.optimize, ...changes.optimize },
  evaluate: { ...ROOMY.evaluate, ...changes.evaluate },
});

describe('a prompt is too long', () => {
  test.each([
    [
      'sample.maxPromptLength',
      { limits: limits({ sample: { maxPromptLength: 40 } }) },
      40,
      'of sample.maxPromptLength',
    ],
    [
      'optimize.maxPromptLength',
      { limits: limits({ optimize: { maxPromptLength: 40 } }) },
      40,
      'of optimize.maxPromptLength',
    ],
    [
      'optimize.maxLength',
      { limits: limits({ optimize: { maxLength: 41 } }) },
      40,
      'that optimize.maxLength (41) leaves for a prompt',
    ],
    [
      "the model's positions",
      { config: { maxPositions: 48 } },
      40,
      "that sample.maxNewTokens (8) leaves of the model's 48 positions",
    ],
    [
      "the model's window",
      { config: { maxPositions: 99, slidingWindow: 48 } },
      40,
      "that sample.maxNewTokens (8) leaves of the model's sliding window of 48",
    ],
  ])('for %s: dropped and counted, or refused by name', async (_, changes, limit, reason) => {
    const setting = changes as Changes;
    const given = ['Question 0?', long(limit + 2), long(limit), long(limit + 1)];
    const checked = await check(given, ['Other?'], setting);
    expect(new Set(checked.texts)).toEqual(new Set([given[0], given[2]]));
    expect(checked.dropped.train).toEqual({ duplicates: 0, tooLong: 2, limit, heldOut: 0 });
    expect(checked.tokens).toEqual({ mean: (14 + limit) / 2, longest: limit });
    await expect(check(given, ['Other?'], { ...setting, tooLong: 'fail' })).rejects.toThrow(
      `has ${limit + 2} tokens, more than the ${limit} ${reason} (2 prompts are too long): ` +
        `remove what is too long, change that setting, or set prompts.tooLong: drop.`,
    );
    await expect(check(given, ['Other?'], { ...setting, tooLong: 'fail' })).rejects.toThrow(
      /^Prompt 2 of \S+\.jsonl \("[0-9a-f]{16}"\)/,
    );
  });

  test('to be held out where the evaluation has no room: training limits say nothing of it', async () => {
    const changes = {
      limits: limits({ optimize: { maxPromptLength: 20 } }),
      config: { maxPositions: 48 } as ModelConfig,
    };
    const checked = await check(['Question 0?'], [long(40), long(41), 'Other?'], changes);
    expect(checked.heldTexts).toEqual([long(40), 'Other?']);
    expect(checked.dropped.heldOut).toEqual({ duplicates: 0, tooLong: 1, limit: 40 });
    await expect(check(['Question 0?'], [long(41), 'Other?'], { ...changes, tooLong: 'fail' })).rejects.toThrow(
      "has 41 tokens, more than the 40 that evaluate.maxNewTokens (8) leaves of the model's 48 positions (it is the only one)",
    );
  });

  test('to be drawn, but not to be trained on', async () => {
    const changes = { limits: limits({ evaluate: { maxNewTokens: 20 } }), config: { maxPositions: 48 } as ModelConfig };
    const given = [...questions(4), ...Array.from({ length: 6 }, (_, i) => long(30 + i))];
    const checked = await check(given, 4, changes);
    expect(new Set(checked.heldTexts)).toEqual(new Set(questions(4)));
    expect(checked.texts).toHaveLength(6);
    const few = check(given, 5, changes);
    await expect(few).rejects.toThrow(InputError);
    await expect(few).rejects.toThrow(
      /^Only 4 prompts of \S+ can be held out, and prompts\.heldOut is 5: the others have more tokens than the 28 that evaluate/,
    );
  });

  test('and all are: that is said, with the shortest', async () => {
    const all = check([long(600), long(520)], ['Other?']);
    await expect(all).rejects.toThrow(InputError);
    await expect(all).rejects.toThrow(
      /^All prompts of \S+ are too long: the shortest has 520 tokens, more than the 512 of optimize\.maxPromptLength; /,
    );
    await expect(check(['Question 0?'], [long(1020)])).rejects.toThrow(
      /^All prompts of \S+ are too long: the shortest has 1020 tokens, more than the 1016 that evaluate\.maxNewTokens/,
    );
  });
});

test('prompts whose tools the template does not write are counted, those that are left out not', async () => {
  const tools = [{ type: 'function', function: { name: 'weather', parameters: {} } }];
  const [offering, again, none] = [
    { prompt: 'a', tools },
    { prompt: 'a', tools: [] },
    { prompt: 'b', tools: [] },
  ];
  const counted = async (template?: string) => {
    const tokenizer = template === undefined ? tiny : loadTokenizer(join(folder, 'tiny'), { template });
    const input = { seed: 0, limits: ROOMY, tokenizer, config: { maxPositions: 1024 } as ModelConfig };
    const spool = new Spool<PromptRecord>(folder);
    spools.push(spool);
    const train = write([
      offering,
      again,
      none,
      { prompt: 'c', tools: JSON.stringify(tools) },
      { prompt: long(600), tools },
    ]);
    const heldOut = write([{ prompt: 'd', tools }, { prompt: 'd' }, { prompt: 'e' }]);
    return (await checkPrompts({ ...input, prompts: { train, heldOut } }, spool, {})).dropped.ignoredTools;
  };
  expect(await counted()).toBe(3);
  expect(
    await counted('{{ tools }}{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}'),
  ).toBeUndefined();
});

test("prompts with messages or variables that the template ignores are counted, with the data set's responses", async () => {
  const spool = new Spool<PromptRecord>(folder);
  spools.push(spool);
  const thought = { role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.' };
  const call = { role: 'assistant', content: 'Yes.', tool_calls: [{ function: { name: 'f', arguments: {} } }] };
  const user = { role: 'user', content: 'So?' };
  const train = write([
    { prompt: [user, thought, user] },
    { prompt: [user, call, user, call, user] },
    // A duplicate.
    { prompt: [user, call, user], chat_template_kwargs: {} },
    { prompt: 'a', chosen: [call], rejected: [thought] },
    { prompt: 'b', chat_template_kwargs: { persona: 'x' } },
    { prompt: 'c', chat_template_kwargs: { messages_: 1 } },
    { prompt: 'd' },
  ]);
  const input = { seed: 0, limits: ROOMY, tokenizer: tiny, config: { maxPositions: 1024 } as ModelConfig };
  const { dropped } = await checkPrompts({ ...input, prompts: { train, heldOut: 1 } }, spool, {});
  expect(dropped).toMatchObject({ ignoredReasoning: 2, ignoredCalls: 2, ignoredArguments: 2 });
  expect(dropped).not.toHaveProperty('ignoredTools');

  const empty = write([{ prompt: 'a', chosen: [{ ...call, content: '' }], rejected: 'No.' }, { prompt: 'b' }]);
  const other = new Spool<PromptRecord>(folder);
  spools.push(other);
  await expect(checkPrompts({ ...input, prompts: { train: empty, heldOut: 1 } }, other, {})).rejects.toThrow(
    /^Prompt 1 of \S+\.jsonl \("[0-9a-f]{16}"\): the chat template of \S+ writes nothing of assistant message 2: /,
  );
});

test('prompts with different variables are different, also from held-out ones', async () => {
  const template =
    '{{ persona }}{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}';
  const tokenizer = loadTokenizer(join(folder, 'tiny'), { template });
  const spool = new Spool<PromptRecord>(folder);
  spools.push(spool);
  const given = ['a', 'b', 'a', 'c'].map((persona) => ({ prompt: 'Hi', chat_template_kwargs: { persona } }));
  const input = { seed: 0, limits: ROOMY, tokenizer, config: { maxPositions: 1024 } as ModelConfig };
  const prompts = { train: write(given), heldOut: write([given[3], { prompt: 'Hi' }]) };
  const { train, dropped } = await checkPrompts({ ...input, prompts }, spool, {});
  expect([...spool.read(train)].map((row) => row.chat_template_kwargs?.['persona']).sort()).toEqual(['a', 'b']);
  expect(dropped.train).toMatchObject({ duplicates: 1, heldOut: 1 });
});

test('a prompt that the template refuses is named', async () => {
  const refused = check(['Hi', ...prompts.slice(7, 8)], ['Other?'], { tokenizer: tokenizers.refuses });
  await expect(refused).rejects.toThrow(InputError);
  await expect(refused).rejects.toThrow(
    /^Prompt 2 of \S+\.jsonl \("[0-9a-f]{16}"\): the chat template of \S+ refuses the conversation: .*System role not supported/,
  );
});

test('only what may be trained on is told to the labeler', async () => {
  const told: Text[] = [];
  await check(['a', 'a', 'Other?', long(600), 'b'], ['Other?'], { check: ({ prompt }) => told.push(prompt) });
  expect(told).toEqual(['a', 'b']);
});

describe('while very many are read', () => {
  test('progress counts both files', async () => {
    const seen: [number, number][] = [];
    await check(questions(5), ['Other?', 'More?'], {}, { onProgress: ({ done, total }) => seen.push([done, total]) });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7].map((done) => [done, 7]));
  });

  test('the worker gets to other things, and can stop', async () => {
    const stop = new AbortController();
    let done = 0;
    const reading = check(
      questions(1000),
      ['Other?'],
      {},
      {
        signal: stop.signal,
        onProgress: (progress) => {
          // An independent event, which must be handled between two prompts.
          if (done === 0) setImmediate(() => stop.abort(new Error('stopped')));
          done = progress.done;
        },
      },
    );
    await expect(reading).rejects.toThrow('stopped');
    expect(done).toBeLessThan(5);
  });
});

test('training prompts that a benchmark has, too, are counted, in any spelling; held-out ones are not among them', async () => {
  const config = { maxPositions: 4096 } as ModelConfig;
  const benchmark = await checkBenchmark({ name: 'ifeval', maxNewTokens: 8 }, { tokenizer: tiny, config }, {});
  const ifeval = readFileSync(fileURLToPath(new URL('../../../examples/ifeval/prompts.jsonl', import.meta.url)), 'utf8')
    .split('\n', 4)
    .map((line) => (JSON.parse(line) as { prompt: string }).prompt);
  const train = [...questions(3), ifeval[0], ifeval[1].replaceAll(' ', '  '), ifeval[2], ifeval[3]];
  const limits = { ...ROOMY, optimize: { maxPromptLength: 2000, maxLength: 4000 } };
  const { dropped, texts } = await check(train, [ifeval[3]], { benchmarks: [benchmark], config, limits });
  expect(texts).toHaveLength(6);
  expect(dropped.ofBenchmarks).toEqual({ ifeval: 3 });
  expect(droppedNotes(dropped).at(-1)).toBe(
    '3 training prompts are also in the benchmark ifeval: its results do not show what the policy does with new prompts.',
  );
  const without = await check(questions(3), [ifeval[3]], { benchmarks: [benchmark], config, limits });
  expect(without.dropped.ofBenchmarks).toBeUndefined();
});
