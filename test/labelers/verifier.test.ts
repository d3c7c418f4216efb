/** Compares the verifier with the verdicts of the reference checker (see test/fixtures/ifeval). */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { readPrompts } from '../../data/prompts.ts';
import type { PromptRecord } from '../../data/records.ts';
import { uniformStream } from '../../data/random.ts';
import { accuracyOf, ifevalAccuracies } from '../../labelers/verifier/accuracy.ts';
import { detectLanguage } from '../../ports/langdetect/langdetect.ts';
import { splitSentences } from '../../ports/punkt/sentences.ts';
import { noTools } from './tools.ts';
import { checksOf, followsLoosely, followsStrictly, verifier } from '../../labelers/verifier/verifier.ts';
import { splitWords } from '../../labelers/verifier/words.ts';

function read<T>(name: string): T[] {
  const lines = readFileSync(new URL(`../fixtures/ifeval/${name}`, import.meta.url), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => JSON.parse(line) as T);
}

let prompts: Map<string, PromptRecord>;
beforeAll(async () => {
  const all = await readPrompts('examples/ifeval/prompts.jsonl');
  prompts = new Map(all.map((prompt) => [prompt.id, prompt]));
});

/** A prompt with one instruction. */
function promptOf(id: string, kwargs: Record<string, unknown> = {}): PromptRecord {
  return { id: 'p', prompt: 'x', instruction_id_list: [id], kwargs: [kwargs] };
}

describe('against the reference checker', () => {
  test("every strict verdict on GPT-4's published responses is the same", () => {
    const golden = read<{ key: number; response: string; follow_instruction_list: boolean[] }>('golden_strict.jsonl');
    const ours = golden.map(({ key, response }) => ({
      key,
      verdicts: followsStrictly(checksOf(prompts.get(String(key))!), response),
    }));
    expect(golden).toHaveLength(270);
    expect(ours).toEqual(golden.map((row) => ({ key: row.key, verdicts: row.follow_instruction_list })));
  });

  test('every strict and loose verdict on answers that just follow or just miss is the same', () => {
    const rows = read<{ key: number; response: string; strict: boolean[]; loose: boolean[] }>('verdicts.jsonl');
    const ours = rows.map(({ key, response }) => {
      const checks = checksOf(prompts.get(String(key))!);
      return { key, response, strict: followsStrictly(checks, response), loose: followsLoosely(checks, response) };
    });
    expect(ours).toEqual(rows);

    // For every kind, one response follows the instruction and one does not, so that a constant check would fail.
    const seen = new Set(
      rows.flatMap(({ key, strict }) =>
        (prompts.get(String(key))!.instruction_id_list as string[]).map((id, i) => `${id} ${strict[i]}`),
      ),
    );
    expect(seen.size).toBe(2 * 25);
  });

  const texts = read<{ text: string; sentences: string[]; words: string[]; language: string | null }>('texts.jsonl');

  test("sentences are NLTK's", () => {
    for (const { text, sentences } of texts) expect(splitSentences(text)).toEqual(sentences);
  });

  test("words are NLTK's", () => {
    for (const { text, words } of texts) expect(splitWords(text)).toEqual(words);
  });

  test("languages are langdetect's, where it agrees with itself", () => {
    const sure = texts.filter(({ language }) => language !== null);
    expect(sure.map(({ text }) => detectLanguage(text) ?? '')).toEqual(sure.map(({ language }) => language));
    expect(sure.length).toBeGreaterThan(180);
  });
});

describe("white space is Python's", () => {
  interface Row {
    kind: string;
    kwargs: Record<string, unknown>;
    response: string;
    strict: boolean;
    loose: boolean;
  }
  const { verdicts, texts } = JSON.parse(
    readFileSync(new URL('../fixtures/ifeval/white-space.json', import.meta.url), 'utf8'),
  ) as { verdicts: Row[]; texts: { text: string; sentences: string[]; words: string[] }[] };

  test.each([...new Set(verdicts.map(({ kind }) => kind))])('in %s', (id) => {
    const rows = verdicts.filter(({ kind }) => kind === id);
    const ours = rows.map((row) => {
      const checks = checksOf(promptOf(id, row.kwargs));
      return {
        ...row,
        strict: followsStrictly(checks, row.response)[0],
        loose: followsLoosely(checks, row.response)[0],
      };
    });
    expect(ours).toEqual(rows);
  });

  test('in sentences', () => {
    expect(texts.map(({ text }) => splitSentences(text))).toEqual(texts.map(({ sentences }) => sentences));
  });

  test('in words', () => {
    expect(texts.map(({ text }) => splitWords(text))).toEqual(texts.map(({ words }) => words));
  });
});

describe('accuracies', () => {
  test("of GPT-4's published responses are those of the reference's verdicts", () => {
    const golden = read<{ key: number; response: string; follow_instruction_list: boolean[] }>('golden_strict.jsonl');
    const answered = golden.map(({ key }) => prompts.get(String(key))!);
    const { strict, loose, instructions } = ifevalAccuracies(
      answered,
      golden.map(({ response }) => response),
    );
    const verdicts = golden.flatMap((row) => row.follow_instruction_list);
    expect(instructions).toBe(verdicts.length);
    expect(strict.instructionLevel).toBe(verdicts.filter(Boolean).length / verdicts.length);
    const whole = golden.filter((row) => row.follow_instruction_list.every(Boolean));
    expect(strict.promptLevel).toBe(whole.length / golden.length);
    expect(loose.promptLevel).toBeGreaterThanOrEqual(strict.promptLevel);
  });

  test('count prompts, instructions and kinds', () => {
    const rows = [
      { ids: ['a:x', 'b:y'], followed: [true, false] },
      { ids: ['a:x'], followed: [true] },
    ];
    expect(accuracyOf(rows)).toEqual({ promptLevel: 1 / 2, instructionLevel: 2 / 3, byKind: { 'a:x': 1, 'b:y': 0 } });
  });
});

describe('scores', () => {
  const prompt: PromptRecord = {
    id: 'p',
    prompt: 'x',
    instruction_id_list: ['punctuation:no_comma', 'keywords:existence', 'length_constraints:number_words'],
    kwargs: [{}, { keywords: ['dog'] }, { num_words: 4, relation: 'less than' }],
  };

  test('are the share of the instructions followed, and a pass is all of them', async () => {
    const answers = ['A dog barks.', 'A dog, it barks.', 'One, two, three, four.', '', 'My Dogma'];
    const { judge } = await verifier.create({ by: 'verifier' }, noTools);
    expect((await judge([{ prompt, answers }], {})).verdicts).toEqual([
      [
        { score: 1, pass: true },
        { score: 1 / 3, pass: false },
        { score: 0, pass: false },
        { score: 0, pass: false },
        { score: 1, pass: true },
      ],
    ]);
  });

  test('are of loose verdicts where these are asked for', async () => {
    const [strict, loose] = await Promise.all(
      (['strict', 'loose'] as const).map((verdict) => verifier.create({ by: 'verifier', verdict }, noTools)),
    );
    const answers = ['Sure, here it is:\nA dog barks.', ', , dog'];
    const scores = async (labeler: typeof strict) =>
      (await labeler.judge([{ prompt, answers }], {})).verdicts[0].map(({ score }) => score);
    expect(await scores(strict)).toEqual([1 / 3, 2 / 3]);
    expect(await scores(loose)).toEqual([1, 2 / 3]);
  });

  test('of a text are the same every time', () => {
    const texts = ['RED-BLUE-GREEN', 'dog cat', 'la de da', 'no no'];
    expect(texts.map(detectLanguage)).toEqual(texts.map(detectLanguage));
  });
});

describe('list instructions', () => {
  const items = ['red', 'blue', 'green'];
  test.each([
    [
      'list:separator',
      { separator: '-' },
      ['red-blue', 'a-b-c', ' red-blue\n'],
      ['red', 'red - blue', 'red-blue.', 'red, blue', '-red-blue', ''],
    ],
    [
      'list:separator',
      { separator: ', ', count: 3 },
      ['red, blue, green'],
      ['red, blue', 'red,blue,green', 'red, blue, green, pink'],
    ],
    ['list:separator', { separator: ' and ' }, ['red and blue'], ['red and  blue', 'red blue and green']],
    ['list:count', { count: 3 }, ['red-blue-green', 'red, blue and green', 'a b c'], ['red-blue', 'a b c d', '']],
    [
      'list:members',
      { members: items },
      ['red', 'RED-Blue', 'green, red and blue'],
      ['red-red', 'red-Red', 'red-pink', '-', ''],
    ],
    ['list:case', { case: 'upper' }, ['RED-BLUE'], ['Red-BLUE', 'red', '1-2']],
    ['list:case', { case: 'lower' }, ['red-blue'], ['Red', '1-2']],
  ])('%s %j', (id, kwargs, followed, missed) => {
    const checks = checksOf(promptOf(id, kwargs));
    for (const text of followed) expect([text, ...followsStrictly(checks, text)]).toEqual([text, true]);
    for (const text of missed) expect([text, ...followsStrictly(checks, text)]).toEqual([text, false]);
  });
});

describe('instructions that cannot be checked', () => {
  test("null arguments count as absent, as in the hub's copy of IFEval", () => {
    const kwargs = { num_bullets: 2, relation: null, keywords: null };
    expect(followsStrictly(checksOf(promptOf('detectable_format:number_bullet_lists', kwargs)), '* a\n* b')).toEqual([
      true,
    ]);
  });

  test.each([
    [
      promptOf('keywords:nothing'),
      /^Prompt "p" has the unknown instruction "keywords:nothing"; remove it, or use one of keywords:existence, .*\.$/,
    ],
    [promptOf('toString'), /unknown instruction "toString"/],
    [
      promptOf('keywords:existence'),
      /^Prompt "p", keywords:existence, has no "keywords"; this instruction needs one\.$/,
    ],
    [
      promptOf('keywords:existence', { keywords: ['('] }),
      /has a wrong "keywords\.0": is used as a regular expression and is not a valid one\.$/,
    ],
    [promptOf('length_constraints:number_words', { num_words: 5, relation: 'about' }), /has a wrong "relation": /],
    [promptOf('list:case', { case: 'title' }), /^Prompt "p", list:case, has a wrong "case": /],
    [{ id: 'p', prompt: 'x' }, /^Prompt "p" has no "instruction_id_list"; every row needs one\.$/],
    [
      { ...promptOf('punctuation:no_comma'), kwargs: [] },
      /^Prompt "p" has 1 instructions and 0 kwargs; each needs its own\.$/,
    ],
  ])('are refused with the prompt and the reason: %j', (prompt, message) => {
    expect(() => checksOf(prompt)).toThrow(InputError);
    expect(() => checksOf(prompt)).toThrow(message);
  });
});

const found = (text: string, pattern: RegExp) => text.match(pattern) ?? [];
const follows = (text: string, id: string, kwargs: Record<string, unknown> = {}) =>
  followsStrictly(checksOf(promptOf(id, kwargs)), text)[0];

describe('patterns', () => {
  /** The patterns in IFEval's instructions.py. */
  const bullets = [/^\s*\*[^*].*$/gm, /^\s*-.*$/gm];
  test('find what those of the reference find', () => {
    const random = uniformStream('patterns');
    const characters = [...'*-[]<> \n\na'];
    for (let i = 0; i < 20_000; i++) {
      const length = 1 + Math.floor(random() * 16);
      const text = `a${Array.from({ length }, () => characters[Math.floor(random() * characters.length)]).join('')}`;
      const lines = bullets.flatMap((bullet) => found(text, bullet)).length;
      const placeholders = found(text, /\[.*?\]/g).length;
      const isTitled = found(text, /<<[^\n]+>>/g).some(
        (title) => title.replace(/^<+/, '').replace(/>+$/, '').trim() !== '',
      );
      const verdicts = [lines, lines + 1].map((count) =>
        follows(text, 'detectable_format:number_bullet_lists', { num_bullets: count }),
      );
      verdicts.push(
        ...[placeholders, placeholders + 1].map((count) =>
          follows(text, 'detectable_content:number_placeholders', { num_placeholders: count }),
        ),
      );
      verdicts.push(follows(text, 'detectable_format:title'));
      expect(verdicts, JSON.stringify(text)).toEqual([true, false, true, false, isTitled]);
    }
  });

  test.each([
    ['detectable_format:number_bullet_lists', { num_bullets: 1 }, '\n'],
    ['detectable_content:number_placeholders', { num_placeholders: 1 }, '['],
    ['detectable_format:title', {}, '<'],
    ['detectable_format:title', {}, '<<>'],
  ])('%s is told of a long run of one text', async (id, kwargs, unit) => {
    const answer = `a${unit.repeat(500_000)}`;
    const { judge } = await verifier.create({ by: 'verifier' }, noTools);
    const { verdicts } = await judge([{ prompt: promptOf(id, kwargs), answers: [answer] }], {});
    expect(verdicts[0][0].pass).toBe(false);
  });
});
