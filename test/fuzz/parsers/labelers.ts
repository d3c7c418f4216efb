/** What labelers read: their settings, the arguments of instructions, and answers, which may hold anything. */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hashValue } from '../../../artifacts/hash.ts';
import { promptSchema, type PromptRecord } from '../../../data/records.ts';
import { createLabeler, labelSchema } from '../../../labelers/index.ts';
import { conclusionOf, preferredIn, ratingIn } from '../../../labelers/judge/verdicts.ts';
import { AnswerCache } from '../../../openai/client/response-cache.ts';
import { noTools } from '../../labelers/tools.ts';
import { jsonOf } from '../../../data/json.ts';
import type { Parser, Parsers } from '../parser.ts';

const ANSWERS = [
  '',
  'a',
  'So it is 42.\n#### 42',
  'It is $-1 \\frac{1}{2}$, or \\boxed{-3/2\\text{ cm}}',
  '{"a": [1, "x"]}',
  '* one\n* two\n\n**Note** P.S. <<title>> [x]',
  `${'a'.repeat(60)}!`,
];

/** A prompt for each kind of instruction in IFEval's data. */
function instructions(): string[] {
  const found = new Map<string, string>();
  const rows = readFileSync('examples/ifeval/prompts.jsonl', 'utf8').trim().split('\n');
  for (const row of rows) {
    const { key, ...fields } = JSON.parse(row) as { key: number; instruction_id_list: string[] };
    const fresh = fields.instruction_id_list.find((id) => !found.has(id));
    if (fresh !== undefined) found.set(fresh, JSON.stringify({ id: String(key), ...fields }));
  }
  return [...found.values()];
}

async function judge(settings: object, prompt: PromptRecord, answers: string[]): Promise<void> {
  const labeler = await createLabeler(labelSchema.parse(settings), noTools);
  labeler.check?.(prompt);
  const { verdicts } = await labeler.judge([{ prompt, answers }], {});
  if (verdicts[0].length !== answers.length) throw new Error('An answer has no verdict.');
}

const plain: PromptRecord = { id: 'p', prompt: 'x', answer: 'It is\n#### 42' };

const text = (inputs: string[], read: (answer: string) => unknown): Parser => ({
  form: 'text',
  inputs,
  read: (input) => read(input.toString()),
  takesAll: true,
});

export function labelerParsers(folder: string): Parsers {
  const prompts = (settings: object, inputs: string[]): Parser => ({
    form: 'json',
    inputs,
    names: 'rompt "',
    async read(input) {
      const { success, data } = promptSchema.safeParse(jsonOf(input.toString()));
      if (success) await judge(settings, data, ANSWERS);
    },
  });
  /** Settings that the schema takes. */
  const settings = (...inputs: object[]): Parser => ({
    form: 'json',
    inputs: inputs.map((input) => JSON.stringify(input)),
    names: '',
    async read(input) {
      const { success, data } = labelSchema.safeParse(jsonOf(input.toString()));
      if (success && ['regex', 'json-schema', 'final-answer', 'verifier', 'module'].includes(data.by))
        await judge(data, plain, ANSWERS);
    },
  });
  const schemaFile = join(folder, 'labelers', 'schema.json');
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    properties: {
      a: { type: 'array', items: { anyOf: [{ type: 'number', minimum: 0 }, { $ref: '#/definitions/x' }] } },
      email: { type: 'string', format: 'email', pattern: '^a+$' },
    },
    required: ['a'],
    definitions: { x: { type: 'string' } },
  };
  const labelerModule = join(folder, 'labelers', 'module.mjs');
  return {
    instructions: prompts({ by: 'verifier', verdict: 'loose' }, instructions()),
    'instructions-answers': text(ANSWERS, (answer) =>
      Promise.all(
        instructions()
          .slice(0, 8)
          .map((row) => judge({ by: 'verifier', verdict: 'loose' }, JSON.parse(row) as PromptRecord, [answer])),
      ),
    ),
    'final-answer': prompts({ by: 'final-answer' }, [JSON.stringify(plain), '{"id":"p","prompt":"x","answer":4.2e-7}']),
    'final-answer-answers': text(ANSWERS, (answer) => judge({ by: 'final-answer' }, plain, [answer])),
    regex: settings(
      { by: 'regex', pattern: '^(?<word>\\w+)\\s+(a|b)+$', flags: 'im' },
      { by: 'regex', pattern: '\\p{L}+', flags: 'u' },
    ),
    'json-schema': settings(
      { by: 'json-schema', schema },
      { by: 'json-schema', schema: { ...schema, $schema: 'https://json-schema.org/draft/2020-12/schema' } },
    ),
    'json-schema-file': {
      form: 'json',
      inputs: [JSON.stringify(schema)],
      file: schemaFile,
      read: () => judge({ by: 'json-schema', schema: schemaFile }, plain, ANSWERS),
      names: '',
    },
    'json-schema-answers': text(ANSWERS, (answer) => judge({ by: 'json-schema', schema }, plain, [answer])),
    module: {
      form: 'text',
      inputs: [
        'export default (prompt, answers) => answers.map(({ length }) => length);\n',
        'export default async () => [1, 2, null, 3, 4, 5];\n',
      ],
      file: labelerModule,
      read: () => judge({ by: 'module', path: labelerModule }, plain, ANSWERS),
    },
    'judge-answers': text(
      ['The better one is [[A]].', '<think>So [[B]]</think>\n[[ 7/10 ]]', 'assistantfinal[[C]]'],
      (answer) => {
        for (const finishReason of ['stop', 'length']) {
          const said = conclusionOf({ text: answer, finishReason });
          preferredIn(said);
          ratingIn(said);
        }
      },
    ),
    'judge-cache': {
      form: 'json',
      inputs: [
        '{"request":{"a":1},"answer":{"text":"[[A]]","finishReason":"stop","usage":{"promptTokens":1,"completionTokens":2}}}',
      ],
      read: (input) => cached(join(folder, 'cache'), input),
      takesAll: true,
    },
  };
}

/** An entry that is damaged is asked for again. */
async function cached(folder: string, entry: Buffer): Promise<void> {
  const request = { a: 1 };
  const key = hashValue(request);
  const path = join(folder, key.slice(0, 2), `${key}.json`);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, entry);
  const { text } = await new AnswerCache(folder).answer(request, () =>
    Promise.resolve({ text: 'x', finishReason: 'stop', usage: { promptTokens: 0, completionTokens: 0 } }),
  );
  if (typeof text !== 'string') throw new Error('The cache gave no text.');
}
