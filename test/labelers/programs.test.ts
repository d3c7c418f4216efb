/** The labelers that check responses by a program, created from settings as in a run. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { readPrompts } from '../../data/prompts.ts';
import type { PromptRecord } from '../../data/records.ts';
import { locateFrom } from '../../config/locate.ts';
import { createLabeler, labelSchema, locateLabeler } from '../../labelers/index.ts';
import { temporaryFolder } from '../temporary.ts';
import { noTools } from './tools.ts';

const folder = temporaryFolder();
const plain: PromptRecord = { id: 'p', prompt: 'x' };

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const open = (settings: object) => createLabeler(labelSchema.parse(settings), noTools);

async function scores(settings: object, answers: string[], prompt = plain) {
  const labeler = await open(settings);
  labeler.check?.(prompt);
  return (await labeler.judge([{ prompt, answers }], {})).verdicts[0].map(({ score }) => score);
}

/** The message of the InputError that `work` throws. */
async function refusal(work: () => Promise<unknown>): Promise<string> {
  const error = await work().then(
    () => undefined,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(InputError);
  expect(error!.message).not.toContain('\n');
  return error!.message;
}

describe('final-answer', () => {
  const by = { by: 'final-answer' };
  const problem: PromptRecord = { ...plain, answer: 'He made 80,000 - 10,000.\n#### 70,000' };

  test("passes GSM8K's own solutions, and no other problem's", async () => {
    const problems = await readPrompts('test/fixtures/gsm8k/problems.jsonl');
    // GSM8K's reference checker: grade_school_math/dataset.py, extract_answer.
    const official = problems.map(({ answer }) => /#### (-?[0-9.,]+)/.exec(answer as string)![1].replaceAll(',', ''));
    for (const [i, prompt] of problems.entries()) {
      const answers = problems.map(({ answer }) => answer as string);
      expect(await scores(by, answers, prompt)).toEqual(official.map((other) => Number(other === official[i])));
    }
    expect(problems.length).toBeGreaterThanOrEqual(16);
  });

  test('takes a number in every way it is written', async () => {
    const right = ['#### 70000', '#### $70,000.', 'The answer is $70,000.', 'It is 70000.00 dollars', '#### 70000\n'];
    const wrong = [
      '#### 7000',
      '70000 - 1',
      '#### none, 70000 is wrong? no: 3',
      '',
      'seventy thousand',
      '-70000',
      '#### ',
    ];
    expect(await scores(by, right, problem)).toEqual(right.map(() => 1));
    expect(
      await scores(
        by,
        wrong.filter((text) => !text.includes('none')),
        problem,
      ),
    ).toEqual(Array(6).fill(0));
  });

  test.each<[string, string[], string[]]>([
    [
      '-5',
      ['−5', '#### −5', 'It is −$5.', '$-5', '(-5)', '=-5', '**-5**', '–5', '\uff0d5', '-05.0', '-€5', '答案是-5'],
      ['5', '3-5', '3−5', '3–5', 'x-5', '(3)-5', '5%-5', '$5-$5', '5€-5', '- 5'],
    ],
    [
      '5',
      ['3-5', '3−5', '3 – 5', 'from 2-5', 'Covid-5', 'f(x)-5', '5€-5€', '5', '٥', '５', '५', '𝟓', '5.', '05', '4，5'],
      ['-5', '−5', '=-5', '٦', '³'],
    ],
    ['2015', ['2010-2015', '2010–2015'], ['-2015']],
    [
      '1234567.5',
      ['1,234,567.5', '1\u00a0234\u00a0567.5', '1\u202f234\u202f567.50', '١٬٢٣٤٬٥٦٧٫٥', '１，２３４，５６７．５'],
      ['1234567', '567.5', '1 234 567.5'],
    ],
    ['9007199254740993', ['9,007,199,254,740,993'], ['9007199254740992']],
    ['0', ['-0', '0.00', '−0'], ['1']],
  ])('reads %s with every sign that is written, and no other', async (answer, right, wrong) => {
    const prompt = { ...plain, answer: `#### ${answer}` };
    expect(await scores(by, right, prompt)).toEqual(right.map(() => 1));
    expect(await scores(by, wrong, prompt)).toEqual(wrong.map(() => 0));
  });

  // Each is equal by the grader of MATH (hendrycks/math, math_equivalence.py, and lm-evaluation-harness, minerva_math) or of GSM8K.
  test.each<[string, string[], string[]]>([
    [
      '1/2',
      [
        '1/2',
        '0.5',
        String.raw`\frac{1}{2}`,
        String.raw`\dfrac12`,
        '½',
        '#### 1/2',
        String.raw`So \boxed{\frac{1}{2}}.`,
      ],
      ['2', '1', '-1/2', '1/2/2026', '1/0', '1 1/2', '1½'],
    ],
    [String.raw`\boxed{-\frac{2}{3}}`, ['-2/3', String.raw`-\frac23`, '#### -4/6'], ['3', '2/3', '-0.67']],
    ['3/2', ['1 1/2', String.raw`1\frac{1}{2}`, '1.5', '1½'], ['1/2', '11/2']],
    [
      '70000',
      ['$70,000.', String.raw`\boxed{\$70{,}000}`, String.raw`\boxed{70,\!000}`, String.raw`\boxed{70000\text{ cm}^2}`],
      [String.raw`\boxed{7} of 70000`],
    ],
    [
      '75',
      ['75 %', String.raw`\boxed{75\%}`, String.raw`\boxed{x = 75}`, String.raw`\boxed{75^\circ}`, '75'],
      ['0.75'],
    ],
    [
      '7',
      [
        String.raw`\boxed{7^\circ\text{C}}`,
        String.raw`\boxed{\text{about } 7\ \mathrm{cm}^{2}.}`,
        // A Markdown heading, and then the answer.
        '#### Step 3: add\n4 + 3 = 7\nThe answer is $\\boxed{7}$.',
      ],
      [String.raw`\boxed{5\text{ or }7}`, '#### 3\nor 7'],
    ],
    // The first two were read as 57 and 330, the others as 3/2 and -1/2.
    ['57', ['57'], [String.raw`\boxed{5\text{ or }7}`, String.raw`\boxed{5\text{:}7}`]],
    ['330', ['330'], [String.raw`\boxed{3^\circ 30}`, String.raw`\boxed{3\mathrm{h}30}`]],
    ['3/2', ['1.5'], [String.raw`\boxed{2\frac{3}{2}}`]],
    ['-1/2', ['-0.5'], [String.raw`\boxed{-\frac{-1}{2}}`]],
    [
      '3',
      [String.raw`It is \boxed{3}, not 4`],
      [String.raw`\boxed{2\sqrt{3}}`, String.raw`\boxed{(1,3)}`, String.raw`\boxed{3x}`],
    ],
  ])('compares %s by its value, in a box and as a fraction', async (answer, right, wrong) => {
    const prompt = { ...plain, answer };
    expect(await scores(by, right, prompt)).toEqual(right.map(() => 1));
    expect(await scores(by, wrong, prompt)).toEqual(wrong.map(() => 0));
  });

  // GSM8K's grader (grade_school_math/dataset.py) and the strict-match filter of lm-evaluation-harness take "#### " and a number.
  test('takes #### before words as a Markdown heading', async () => {
    const prompt = { ...plain, answer: '18' };
    const right = [
      '#### Step 3: add\n9 + 9 = 18\nThe answer is 18.',
      '#### Final answer\n\n18',
      '#### Step 1: add 3 numbers\n#### 18\n\n#### Check of 2 sums',
      '\\boxed{18}\n#### Two ways',
      '#### **18**',
    ];
    const wrong = ['#### Step 18: add\n9 + 8 = 17', '#### 3\nor 18'];
    expect(await scores(by, [...right, ...wrong], prompt)).toEqual([1, 1, 1, 1, 1, 0, 0]);
    expect(await scores({ ...by, marked: true }, [...right, ...wrong], prompt)).toEqual([0, 0, 1, 0, 1, 0, 0]);
  });

  // Answers of MATH (hendrycks/math) as columns hold them, without their box.
  test.each([
    [String.raw`90^\circ`, '90'],
    [String.raw`5.4 \text{ cents}`, '5.4'],
    [String.raw`\text{5 dollars}`, '5'],
    [String.raw`x = -5`, '-5'],
  ])('compares with %s, which has no box', async (answer, written) => {
    expect(await scores(by, [written, String.raw`\boxed{${answer}}`, '8'], { ...plain, answer })).toEqual([1, 1, 0]);
  });

  test.each([
    String.raw`2\sqrt{3}`,
    '3,0',
    '#### 1 or 2',
    String.raw`\boxed{(1,2)}`,
    String.raw`\boxed{5\text{ or }7}`,
    '2 3/2',
    'The answer is 5',
  ])('refuses the reference answer %s, of which one number would be compared', async (answer) => {
    expect(await refusal(() => scores(by, ['1'], { ...plain, answer }))).toBe(
      'The "answer" of prompt "p" is neither a number nor a text with only a number after "####" or in "\\boxed{}"; ' +
        'final-answer compares with nothing else.',
    );
  });

  test('compares with a number of the row', async () => {
    for (const [answer, written] of [
      [-5, '-5.0'],
      [0.25, '1/4'],
      [1e-7, '0.0000001'],
      [1e21, '1' + '0'.repeat(21)],
      ['9007199254740993', '9007199254740993'],
    ] as const) {
      expect(await scores(by, [written, '8'], { ...plain, answer })).toEqual([1, 0]);
    }
  });

  test('can insist on the mark, and compare with another field', async () => {
    expect(await scores({ ...by, marked: true }, ['70000', '#### 70000'], problem)).toEqual([0, 1]);
    expect(await scores({ ...by, reference: 'solution' }, ['5', '6'], { ...plain, solution: 5 })).toEqual([1, 0]);
  });

  test('refuses a prompt that has no number to compare with', async () => {
    expect(await refusal(() => scores(by, ['1'], { ...plain, answer: 'many' }))).toBe(
      'Prompt "p" has no number in "answer"; final-answer compares with it.',
    );
  });
});

describe('regex', () => {
  test('matches anywhere, unless the pattern says otherwise', async () => {
    expect(await scores({ by: 'regex', pattern: 'b+' }, ['abba', 'aa', ''])).toEqual([1, 0, 0]);
    expect(await scores({ by: 'regex', pattern: '^yes|no$', flags: 'i' }, ['Yes.', 'a No', 'noyes'])).toEqual([
      1, 1, 0,
    ]);
  });

  test('refuses what is no expression', () => {
    expect(labelSchema.safeParse({ by: 'regex', pattern: '(' }).error!.issues[0].message).toBe(
      'not a regular expression',
    );
    expect(labelSchema.safeParse({ by: 'regex', pattern: 'a', flags: 'g' }).success).toBe(false);
  });

  // Python's re: re.search(r'\A\d{,3}\Z', '12') matches; of JavaScript's patterns without the flag u, no digits do.
  test.each([
    [String.raw`\A\d+\Z`, String.raw`\A`],
    [String.raw`^\d+\z`, String.raw`\z`],
    [String.raw`^\p{Lu}`, String.raw`\p`],
    [String.raw`\u{1F600}`, String.raw`\u`],
    ['^a{,3}$', '{,3}'],
  ])('refuses %s, a part of which is plain text in JavaScript', async (pattern, part) => {
    for (const [settings, row] of [
      [{ pattern }, plain],
      [{}, { ...plain, pattern }],
    ])
      expect(await refusal(() => scores({ by: 'regex', ...settings }, ['12'], row as PromptRecord))).toContain(
        `has ${part}, which JavaScript reads as plain text; use ^ and $`,
      );
  });

  test('takes every escape that JavaScript has', async () => {
    const pattern = String.raw`^\x61\u0062\cA?\0?\w\W\s\S\d\D\t\v?\f?\.\-\/\\A(?<n>z)\k<n>\b$`;
    expect(await scores({ by: 'regex', pattern }, [String.raw`abc! x1y${'\t'}.-/\Azz`, 'ab'])).toEqual([1, 0]);
    expect(await scores({ by: 'regex', pattern: String.raw`^\p{Lu}`, flags: 'u' }, ['Über', 'über'])).toEqual([1, 0]);
  });
});

const refused = (schema: unknown) => refusal(() => open({ by: 'json-schema', schema }));

describe('json-schema', () => {
  // An example from the JSON Schema tutorial (json-schema.org, "Creating your first schema").
  const product = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: {
      productId: { type: 'integer' },
      productName: { type: 'string' },
      price: { type: 'number', exclusiveMinimum: 0 },
      tags: { type: 'array', items: { type: 'string' }, minItems: 1, uniqueItems: true },
      made: { type: 'string', format: 'date' },
    },
    required: ['productId', 'productName', 'price'],
  };
  const good = { productId: 1, productName: 'A green door', price: 12.5, tags: ['home', 'green'], made: '2024-02-29' };
  const answers = [
    JSON.stringify(good),
    JSON.stringify({ ...good, price: 0 }),
    JSON.stringify({ ...good, tags: ['a', 'a'] }),
    JSON.stringify({ ...good, made: '2023-02-29' }),
    '[]',
    `Here it is: ${JSON.stringify(good)}`,
    '',
  ];

  test('gives full score for what fits, half for other JSON', async () => {
    expect(await scores({ by: 'json-schema', schema: product }, answers)).toEqual([1, 0.5, 0.5, 0.5, 0.5, 0, 0]);
  });

  test('reads the schema from a file, whose content is a part of its identity', async () => {
    const schema = file('product.json', JSON.stringify(product));
    expect(await scores({ by: 'json-schema', schema }, answers)).toEqual([1, 0.5, 0.5, 0.5, 0.5, 0, 0]);
    const { identity } = await open({ by: 'json-schema', schema });
    file('product.json', JSON.stringify({ ...product, required: [] }));
    expect((await open({ by: 'json-schema', schema })).identity).not.toEqual(identity);
  });

  test('counts decimal multiples and own names as JSON Schema does', async () => {
    const price = { properties: { price: { multipleOf: 0.01 } } };
    const priced = [19.99, 0.07, 1234.56, 0.015].map((value) => JSON.stringify({ price: value }));
    expect(await scores({ by: 'json-schema', schema: price }, priced)).toEqual([1, 1, 1, 0.5]);
    // By cents: a quotient in binary is off by more than any tolerance for 15 % of the prices in this range.
    const cents = Array.from({ length: 200 }, (_, i) => 123_456_700 + 7919 * i);
    const large = cents.map((all) => `{"price": ${Math.floor(all / 100)}.${String(all % 100).padStart(2, '0')}}`);
    expect(await scores({ by: 'json-schema', schema: price }, large)).toEqual(large.map(() => 1));
    const tiny = { multipleOf: 1e-7 };
    expect(await scores({ by: 'json-schema', schema: tiny }, ['3e-7', '3.5e-7', '-1', '1e300', '0'])).toEqual([
      1, 0.5, 1, 1, 1,
    ]);
    const named = { type: 'object', required: ['toString'] };
    expect(await scores({ by: 'json-schema', schema: named }, ['{}', '{"toString": 1}'])).toEqual([0.5, 1]);
  });

  // The verdicts are those of Python's jsonschema 4.26: Draft202012Validator, and Draft7Validator of the second schema.
  test('reads schemas without a draft as either draft', async () => {
    const tuple = { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'string' }], minItems: 2 };
    expect(await scores({ by: 'json-schema', schema: tuple }, ['[1, "a"]', '["a", 1]'])).toEqual([1, 0.5]);
    const oldTuple = { type: 'array', items: [{ type: 'integer' }, { type: 'string' }], additionalItems: false };
    expect(await scores({ by: 'json-schema', schema: oldTuple }, ['[1, "a"]', '[1, "a", 2]'])).toEqual([1, 0.5]);
    const both = { properties: { ab: { type: 'string' } }, patternProperties: { '^a': { minLength: 2 } } };
    expect(await scores({ by: 'json-schema', schema: both }, ['{"ab": "xy"}', '{"ab": "x"}'])).toEqual([1, 0.5]);
  });

  test.each(['false', 'null', '5', '[]'])('refuses the schema %s, which is no object', async (schema) => {
    expect(await refusal(() => scores({ by: 'json-schema' }, ['1'], { ...plain, schema }))).toBe(
      'The "schema" of prompt "p" is not a JSON object; correct it.',
    );
    expect(await refused(file('value.json', schema))).toMatch(/value\.json is not a JSON object/);
  });

  // Python's jsonschema 4.26 ends with a RecursionError for each of these, on 1 or on {"a": 1}.
  test.each([
    '{"$ref": "#"}',
    '{"allOf": [{"type": "object"}, {"$ref": "#"}]}',
    '{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}',
    '{"if": {"required": ["a"]}, "then": {"$ref": "#"}}',
    '{"dependentSchemas": {"a": {"anyOf": [false, {"$ref": "#top"}]}}, "$anchor": "top"}',
    '{"properties": {"a": {"$ref": "#/definitions/x~1y"}}, "definitions": {"x/y": {"oneOf": [{"$ref": "#/definitions/x~1y"}]}}}',
  ])('refuses a schema that refers to itself without end: %s', async (schema) => {
    expect(await refused(JSON.parse(schema))).toBe(
      'label.schema is no JSON schema (it refers to itself without end); correct it.',
    );
  });

  test('takes a schema that refers to itself for a part of the value', async () => {
    const tree = {
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          properties: { left: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/node' }] }, not: { $ref: '#/$defs/node' } },
          additionalProperties: false,
        },
      },
    };
    const trees = ['{"left": {"left": null}}', '{"left": {"left": 1}}', '{"not": {"not": {}}}', '{"not": 1}'];
    expect(await scores({ by: 'json-schema', schema: tree }, trees)).toEqual([1, 0.5, 1, 0.5]);
  });

  test('refuses what is no schema', async () => {
    expect(await refused({ $schema: 'http://json-schema.org/draft-04/schema#' })).toMatch(
      /^label\.schema has the "\$schema" "http:\/\/json-schema\.org\/draft-04\/schema#"; selm supports draft 7/,
    );
    expect(await refused({ type: 'objekt' })).toMatch(/^label\.schema is no JSON schema \(.+\); correct it\.$/);
    expect(await refused({ requierd: ['a'] })).toMatch(/unknown keyword: "requierd"/);
    expect(await refused(file('broken.json', '{'))).toMatch(/broken\.json is not JSON/);
    expect(await refused(join(folder, 'nowhere.json'))).toMatch(/nowhere\.json cannot be read \(ENOENT\)/);
  });
});

const settings = (path: string) => ({ by: 'module', path });

describe('module', () => {
  test('scores with the default export, which sees the whole row; null is no judgement', async () => {
    const path = file(
      'typed.ts',
      `type Row = { id: string; bonus: number };
       export default async (prompt: Row, answers: string[]): Promise<(number | null)[]> =>
         answers.map((answer) => (answer === '' ? null : answer.length + prompt.bonus));`,
    );
    expect(await scores(settings(path), ['a', '', 'abc'], { ...plain, bonus: 10 })).toEqual([11, undefined, 13]);
  });

  test('gets the numbers of tools as numbers', async () => {
    const path = file('tools.js', 'export default ({ tools }, answers) => answers.map(() => tools[0].minimum + 1);');
    const rows = await readPrompts(file('tools.jsonl', '{"prompt": "x", "tools": [{"minimum": 2.0}]}'));
    expect(await scores(settings(path), ['a'], rows[0])).toEqual([3]);
  });

  test('is loaded anew when its file changes', async () => {
    const path = file('changing.js', 'export default (prompt, answers) => answers.map(() => 1);');
    const before = await open(settings(path));
    file('changing.js', 'export default (prompt, answers) => answers.map(() => 2);');
    const after = await open(settings(path));
    expect(after.identity).not.toEqual(before.identity);
    const judge = async (labeler: typeof before) =>
      (await labeler.judge([{ prompt: plain, answers: ['a'] }], {})).verdicts;
    expect([await judge(before), await judge(after)]).toEqual([[[{ score: 1 }]], [[{ score: 2 }]]]);
  });

  test.each([
    ['throws.js', "export default () => { throw new Error('no idea'); };", /called for prompt "p", threw: no idea$/],
    ['rejects.js', "export default async () => { throw 'nothing'; };", /threw: nothing$/],
    ['few.js', 'export default () => [1];', /returned 1 scores for 2 responses; it must return a list/],
    ['number.js', 'export default () => 1;', /returned number for 2 responses/],
    ['nan.js', 'export default () => [1, NaN];', /returned the score NaN; a score is a finite number, or null/],
    ['text.js', "export default () => [1, '2'];", /returned the score 2;/],
    ['none.js', 'export const score = 1;', /none\.js has no function as its default export/],
    ['broken.js', 'export default (', /broken\.js cannot be loaded as a labeler: /],
    ['own.js', "throw new Error('not today');", /own\.js cannot be loaded as a labeler: not today/],
  ])('that does not do that is refused in one sentence: %s', async (name, text, problem) => {
    expect(await refusal(() => scores(settings(file(name, text)), ['a', 'b']))).toMatch(problem);
  });

  test('that is not there is refused', async () => {
    expect(await refusal(() => open(settings(join(folder, 'nowhere.ts'))))).toMatch(
      /nowhere\.ts cannot be read \(ENOENT\)/,
    );
  });
});

/** A combination of three patterns. @param owl weight of the third one */
const weighted = (owl: number) => ({
  by: 'combine',
  of: [
    { by: 'regex', pattern: 'cat', weight: 0.1 },
    { by: 'regex', pattern: 'dog', weight: 0.2 },
    { by: 'regex', pattern: 'owl', weight: owl },
  ],
});

describe('combine', () => {
  const words = { by: 'regex', pattern: 'dog' };
  const commas: PromptRecord = {
    ...plain,
    instruction_id_list: ['punctuation:no_comma', 'keywords:existence'],
    kwargs: [{}, { keywords: ['dog'] }],
  };

  test('adds up weighted scores less a penalty for every character', async () => {
    const shaped = {
      by: 'combine',
      of: [
        { ...words, weight: 2 },
        { by: 'verifier', weight: -0.5 },
      ],
      lengthPenalty: 0.1,
    };
    const [dog, cat] = (await scores(shaped, ['dog', 'cat, cat'], commas)) as number[];
    expect(dog).toBeCloseTo(2 * 1 - 0.5 * 1 - 0.3);
    expect(cat).toBeCloseTo(0 - 0 - 0.8);
  });

  // In binary, 0.1 + 0.2 is greater than 0.3.
  test('gives responses with equal sums equal scores, so that they are a tie', async () => {
    expect(await scores(weighted(0.3), ['cat, dog', 'owl', 'all'])).toEqual([0.3, 0.3, 0]);
    expect(await scores(weighted(-0.3), ['cat, dog, owl', 'none'])).toEqual([0, 0]);
  });

  test('counts characters, not UTF-16 units', async () => {
    const [dog, animals] = (await scores({ by: 'combine', of: [words], lengthPenalty: 1 }, [
      'dog',
      'dog🐕🐈',
    ])) as number[];
    expect([dog, animals]).toEqual([-2, -4]);
  });

  test('of one response to a prompt only leaves out the comparison: it is neither won nor lost', async () => {
    // Nothing listens there, and nothing is asked.
    const pairs = { by: 'judge', server: 'http://127.0.0.1:9/v1', model: 'm', weight: 2 };
    const labeler = await open({ by: 'combine', of: [{ by: 'verifier' }, pairs] });
    const { verdicts } = await labeler.judge(
      ['a dog', 'a, cat'].map((answer) => ({ prompt: commas, answers: [answer] })),
      {},
    );
    expect(verdicts).toEqual([[{ score: 2, pass: true }], [{ score: 1, pass: false }]]);
  });

  test('passes what every part passes', async () => {
    const labeler = await open({ by: 'combine', of: [words, { by: 'verifier' }] });
    const { verdicts } = await labeler.judge([{ prompt: commas, answers: ['a dog', 'a, dog', 'a'] }], {});
    expect(verdicts[0].map(({ pass }) => pass)).toEqual([true, false, false]);
  });

  test('has no judgement where a part has none', async () => {
    const path = file(
      'some.js',
      "export default (prompt, answers) => answers.map((answer) => (answer === 'b' ? null : 1));",
    );
    const of = [
      { by: 'module', path },
      { by: 'regex', pattern: 'b|c' },
    ];
    expect(await scores({ by: 'combine', of }, ['a', 'b', 'c'])).toEqual([1, undefined, 2]);
  });

  test('is known by what its parts are known by, and finds their files', async () => {
    const path = file('part.js', 'export default (prompt, answers) => answers.map(() => 1);');
    const given = labelSchema.parse({ by: 'combine', of: [words, { by: 'module', path: 'part.js' }] });
    const located = locateLabeler(given, { ...locateFrom(folder), model: (name) => name });
    expect(located).toMatchObject({ of: [words, { by: 'module', path, weight: 1 }] });
    const { identity } = await open({ by: 'module', path });
    expect((await open(located)).identity).toEqual({ of: [{}, identity] });
  });

  test('refuses prompts that a part refuses, and itself as a part', async () => {
    expect(await refusal(() => scores({ by: 'combine', of: [words, { by: 'verifier' }] }, ['a']))).toMatch(
      /has no "instruction_id_list"/,
    );
    expect(
      labelSchema.safeParse({ by: 'combine', of: [{ by: 'combine', of: [words] }] }).error!.issues[0].message,
    ).toMatch(/^expected one of "verifier"/);
  });
});

test('rewarding length is found out by a penalty: a module that likes long answers', async () => {
  const path = file(
    'longer.ts',
    'export default (_: unknown, answers: string[]) => answers.map(({ length }) => length);',
  );
  const answers = ['short', 'a much longer answer'];
  const [short, long] = (await scores({ by: 'module', path }, answers)) as number[];
  expect(long).toBeGreaterThan(short);
  const [shaped, shapedLong] = (await scores(
    { by: 'combine', of: [{ by: 'module', path }], lengthPenalty: 2 },
    answers,
  )) as number[];
  expect(shapedLong).toBeLessThan(shaped);
});
