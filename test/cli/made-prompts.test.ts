/** `selm prompts`: what it writes, the labelers read; what it leaves out, it counts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readPrompts } from '../../data/prompts.ts';
import { createLabeler, labelSchema } from '../../labelers/index.ts';
import { selm, summaryOf } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { noTools } from '../labelers/tools.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const out = join(folder, 'out.jsonl');

function file(name: string, content: object[] | object): string {
  writeFileSync(join(folder, name), Array.isArray(content) ? jsonl(content) : JSON.stringify(content));
  return join(folder, name);
}

const make = (kind: string, ...flags: string[]) => selm(['prompts', kind, '--out', out, ...flags], {});

async function made(kind: string, ...flags: string[]) {
  const ended = await make(kind, ...flags, '--json');
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return { summary: summaryOf<Record<string, unknown>>(ended), prompts: await readPrompts(out) };
}

/** The scores of answers to the first prompt that the command has written. */
async function scores(settings: object, answers: string[]) {
  const labeler = await createLabeler(labelSchema.parse(settings), noTools);
  const prompts = await readPrompts(out);
  for (const prompt of prompts) labeler.check!(prompt);
  return (await labeler.judge([{ prompt: prompts[0], answers }], {})).verdicts[0].map(({ score }) => score);
}

describe('ifeval', () => {
  const bases = file('bases.jsonl', [
    { prompt: 'Write a poem about kites.' },
    { question: 'Is the sea salty?' },
    { prompt: 'Held out.' },
  ]);

  test('writes the number of prompts that is asked for, and counts kinds and dropped rows', async () => {
    const heldOut = [
      '--held-out',
      file('a.jsonl', [{ prompt: 'held out' }]),
      file('b.jsonl', [{ prompt: 'Another.' }]),
    ];
    const { summary, prompts } = await made('ifeval', '--from', bases, '--count', '60', '--seed', '3', ...heldOut);
    expect(summary).toMatchObject({ prompts: 60, rows: 3, basePrompts: 2, dropped: { heldOut: 1 }, out });
    expect(new Set(prompts.map(({ base_prompt: base }) => base))).toEqual(
      new Set(['Write a poem about kites.', 'Is the sea salty?']),
    );
    const ids = prompts.flatMap(({ instruction_id_list: list }) => list as string[]);
    const kinds = summary['kinds'] as Record<string, number>;
    expect(Object.values(kinds).reduce((sum, count) => sum + count)).toBe(ids.length);
    expect(kinds['detectable_format:constrained_response']).toBeGreaterThan(0);
    const only = prompts.findIndex(({ instruction_id_list: list }) =>
      (list as string[])[0].endsWith('constrained_response'),
    );
    expect(prompts[only].prompt).toMatch(/^Is the sea salty\?/);
    expect(await scores({ by: 'verifier' }, [''])).toEqual([0]);
  });

  test('writes nothing when there are too few, and says why in one sentence', async () => {
    const ended = await make('ifeval', '--from', bases, '--count', '5', '--held-out', bases);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toBe(
      'selm: Only 0 of 5 prompts can be composed from 3 rows (3 dropped (3 held out)); give more base prompts.\n',
    );
  });
});

describe('prompts without a letter or digit', () => {
  const from = file('symbols.jsonl', [
    { prompt: '???' },
    { prompt: '🎉' },
    { prompt: ' 🎉\n' },
    { prompt: 'Name a fruit.' },
  ]);

  test('get no instructions, and are counted', async () => {
    const ended = await make('ifeval', '--from', from, '--count', '2');
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toContain('2 prompts from 1 of 4 base prompts; 3 dropped (3 without a letter or digit).');
  });

  test('are compared as they are', async () => {
    const heldOut = file('question-marks.jsonl', [{ prompt: '???' }]);
    const { summary, prompts } = await made('regex', '--from', from, '--pattern', 'a', '--held-out', heldOut);
    expect(prompts.map(({ prompt }) => prompt)).toEqual(['🎉', 'Name a fruit.']);
    expect(summary).toMatchObject({ dropped: { duplicate: 1, heldOut: 1 } });
  });
});

describe('--out', () => {
  const from = file('from.jsonl', [{ prompt: 'Write a poem about kites.' }]);

  test.each([
    ['--from', ['--from', from, '--out', from]],
    ['--held-out', ['--from', file('others.jsonl', [{ prompt: 'Hi' }]), '--held-out', from, '--out', from]],
  ])('does not overwrite a file of %s', async (_flag, flags) => {
    const before = readFileSync(from, 'utf8');
    const ended = await selm(['prompts', 'ifeval', '--count', '1', ...flags], {});
    expect(ended).toMatchObject({
      code: 2,
      stdout: '',
      stderr: `selm: --out ${from} would overwrite a file that is read; give another file.\n`,
    });
    expect(readFileSync(from, 'utf8')).toBe(before);
  });

  test('is not a folder', async () => {
    const ended = await selm(['prompts', 'regex', '--from', from, '--pattern', 'a', '--out', folder], {});
    expect(ended).toMatchObject({ code: 2, stderr: `selm: --out ${folder} is a folder; give a file.\n` });
  });
});

describe('final-answer', () => {
  const rows = [
    { question: 'What is 6 times 7?', answer: 'Six times seven.\n#### 42', level: 1 },
    { question: 'What is 2 and 3?', answer: 5 },
    { question: 'What is the capital of Peru?', answer: 'Lima' },
    { question: 'what is 2 and 3' },
  ];

  test("makes prompts of GSM8K's columns, and drops rows without a number", async () => {
    const { summary, prompts } = await made('final-answer', '--from', file('problems.jsonl', rows));
    expect(summary).toEqual({
      prompts: 2,
      rows: 4,
      dropped: { notCheckable: 1, duplicate: 1 },
      problem: expect.stringMatching(/has no number in "answer"/) as string,
      out,
    });
    expect(prompts[0].prompt).toMatch(/^What is 6 times 7\?\n\nThink step by step\. .*"#### 42"\.$/);
    expect(await scores({ by: 'final-answer' }, ['It is\n#### 42', '#### 41'])).toEqual([1, 0]);
  });

  test("reads Alpaca's rows: an input follows its instruction after a blank line, as in Alpaca's prompts", async () => {
    const alpaca = [
      { instruction: 'Add these numbers.', input: '2 and 3', output: '5' },
      { instruction: 'Add these numbers.', input: '4 and 5', output: '9' },
      { instruction: 'What is 6 times 7?', input: '', output: '42' },
    ];
    const from = ['--from', file('alpaca.jsonl', alpaca), '--answer-column', 'output'];
    const { prompts } = await made('final-answer', ...from);
    expect(prompts.map(({ base_prompt: base }) => base)).toEqual([
      'Add these numbers.\n\n2 and 3',
      'Add these numbers.\n\n4 and 5',
      'What is 6 times 7?',
    ]);
    expect(prompts[0].prompt).toMatch(/^Add these numbers\.\n\n2 and 3\n\nThink step by step\./);
    const wrong = file('alpaca-list.jsonl', [{ instruction: 'Add these.', input: [2, 3], output: '5' }]);
    const { code, stderr } = await make('final-answer', '--from', wrong, '--answer-column', 'output');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `selm: ${wrong} line 1 has an "instruction" and an "input" that are not both texts; give the whole prompt in a column prompt.\n`,
    });
  });

  test('drops answers that are more than a number', async () => {
    const answers = [
      '1/2',
      '\\\\frac{3}{4}',
      '3,0',
      '1e3',
      'x = 4',
      '$-1,200.50',
      '75 %',
      '#### 1 or 2',
      'So:\n#### 1,203',
      2.5,
    ];
    const from = file(
      'answers.jsonl',
      answers.map((answer, at) => ({ question: `Problem ${at}`, answer })),
    );
    const { summary, prompts } = await made('final-answer', '--from', from);
    expect(prompts.map(({ answer }) => answer)).toEqual([
      '1/2',
      '\\\\frac{3}{4}',
      'x = 4',
      '$-1,200.50',
      '75 %',
      'So:\n#### 1,203',
      2.5,
    ]);
    expect(summary).toMatchObject({
      dropped: { notCheckable: 3 },
      problem: expect.stringMatching(
        /answers\.jsonl line 3: The "answer" of .* is neither a number nor a text/,
      ) as string,
    });
  });

  test('draws a number of rows that are not held out, or says how many there are', async () => {
    const train = file('train.jsonl', rows.slice(0, 2));
    const test = file('test.jsonl', [{ question: 'What is 2 and 3?', answer: '5' }]);
    const from = ['--from', train, '--held-out', test, '--count'];
    const { summary, prompts } = await made('final-answer', ...from, '1');
    expect(summary).toMatchObject({ prompts: 1, dropped: { heldOut: 1 } });
    expect(prompts[0]).toMatchObject({ answer: rows[0].answer, base_prompt: rows[0].question });
    const other = await make('final-answer', '--from', train, '--answer-column', 'result');
    expect(other).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^selm: None of 2 rows gives a prompt: 2 dropped \(2 not checkable\); the first that is not checkable: .*train\.jsonl line 1: .* has no "result" \(found: .*answer.*\); correct --answer-column\.\n$/,
      ) as string,
    });
    const { code, stderr } = await make('final-answer', ...from, '2');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr:
        'selm: Only 1 of 2 prompts can be made of 2 rows: 1 dropped (1 held out); give more rows, or a smaller --count.\n',
    });
  });
});

describe('regex', () => {
  test('fills a template, and the labeler reads the pattern of each row', async () => {
    const from = file('events.jsonl', [
      { event: 'the moon landing', pattern: '^\\d{4}$' },
      { event: 'the first flight', pattern: '^YEAR', flags: 'i' },
      { event: 'nothing', pattern: '(' },
    ]);
    const template = 'In which year was {event}? Answer with the year.';
    const { summary, prompts } = await made('regex', '--from', from, '--template', template);
    expect(summary).toMatchObject({ prompts: 2, dropped: { notCheckable: 1 } });
    expect(prompts.map(({ prompt }) => prompt)).toEqual([
      'In which year was the moon landing? Answer with the year.',
      'In which year was the first flight? Answer with the year.',
    ]);
    expect(await scores({ by: 'regex' }, ['1969', 'In 1969'])).toEqual([1, 0]);
    const labeler = await createLabeler(labelSchema.parse({ by: 'regex' }), noTools);
    expect((await labeler.judge([{ prompt: prompts[1], answers: ['year 1903'] }], {})).verdicts).toEqual([
      [{ score: 1, pass: true }],
    ]);
  });

  test.each([
    [
      ['--pattern', '('],
      'The command line, whose "pattern" "(" with the flags "" is not a regular expression; correct one of the two.',
    ],
    [['--pattern', 'a', '--flags', 'g'], 'The command line has a wrong "flags": expected some of i, m, s and u.'],
    [['--flags', 'i'], '--flags belongs to --pattern; give --pattern too, or the flags of rows in a column flags.'],
  ])('%j are an error of the command line, not of the rows', async (flags, message) => {
    const from = file('words.jsonl', [{ prompt: 'Say a word.', pattern: 'a' }]);
    const { code, stderr } = await make('regex', '--from', from, ...flags);
    expect({ code, stderr }).toEqual({ code: 2, stderr: `selm: ${message}\n` });
  });

  test('names a column of the template that a row does not have', async () => {
    const from = file('dates.jsonl', [{ event: 'x' }]);
    const ended = await make('regex', '--from', from, '--pattern', 'a', '--template', 'When was {date}?');
    expect(ended.code).toBe(2);
    expect(ended.stderr).toBe(
      `selm: ${from} line 1 has no "date" for the placeholder {date} (found: event); correct --template.\n`,
    );
  });
});

test('json-schema: one schema for all rows, which the prompt states and the labeler reads', async () => {
  const schema = { type: 'object', properties: { total: { type: 'number' } }, required: ['total'] };
  const from = file('mails.jsonl', [{ body: 'I paid 3 euros.' }, { body: 'Send me 2 lamps.' }]);
  const flags = ['--schema', file('schema.json', schema), '--template', 'Extract {schema} of: {body}'];
  const { summary, prompts } = await made('json-schema', '--from', from, ...flags);
  expect(summary).toMatchObject({ prompts: 2, dropped: {} });
  expect(prompts[0].prompt).toBe(`Extract ${JSON.stringify(schema)} of: I paid 3 euros.`);
  expect(prompts[0]['schema']).toEqual(schema);
  expect(await scores({ by: 'json-schema' }, ['{"total": 3}', '{"total": "3"}', 'three'])).toEqual([1, 0.5, 0]);
  // Schemas in a column may be texts, and an invalid one is dropped.
  const given = [
    { prompt: 'Give a total.', schema: JSON.stringify(schema) },
    { prompt: 'Give a sum.', schema: '{"type": "sum"}' },
    { prompt: 'Give a price.', schema: 'number' },
  ];
  const own = await made('json-schema', '--from', file('own.jsonl', given));
  expect(own.summary).toMatchObject({ prompts: 1, dropped: { notCheckable: 2 } });
  expect(readFileSync(out, 'utf8')).toContain('Answer only with JSON that fits this JSON schema:');
  expect(await scores({ by: 'json-schema' }, ['{"total": 3}'])).toEqual([1]);
});

test('json-schema: a schema of all rows that is not valid is an error of its file, not of the rows', async () => {
  const schema = file('wrong-schema.json', { type: 'sum' });
  const ended = await make('json-schema', '--from', file('one.jsonl', [{ prompt: 'Hi' }]), '--schema', schema);
  expect(ended.code).toBe(2);
  expect(ended.stderr).toMatch(new RegExp(`^selm: ${schema} is no JSON schema \\(.*\\); correct it\\.\n$`));
});
