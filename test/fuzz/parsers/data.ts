/** Readers of rows: JSON Lines, Parquet, CSV. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAnnotations, readGamed } from '../../../evaluation/winrate/annotations.ts';
import { readJsonl, writeJsonl } from '../../../data/jsonl.ts';
import { readAnswers, readJudgements, readQuestions } from '../../../evaluation/mt-bench/files.ts';
import { readPrompts } from '../../../data/prompts.ts';
import {
  readAnswered,
  readDemonstrations,
  readPreferences,
  readSampled,
  readScoreRows,
} from '../../../data/readers.ts';
import { labelRecordSchema } from '../../../data/records.ts';
import { tinyPrompts } from '../../tiny-model.ts';
import type { Parser, Parsers } from '../parser.ts';

const lines = (...rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const fixture = (path: string) => readFileSync(join('test/fixtures', path));
const firstLines = (path: string, count: number) => `${readFileSync(path, 'utf8').split('\n', count).join('\n')}\n`;

const tools = JSON.stringify([
  { type: 'function', function: { name: 'time', parameters: { type: 'object', properties: {} } } },
]);
const turns = [
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: [{ type: 'text', text: 'Yes?' }] },
];
const calling = {
  role: 'assistant',
  tool_calls: [{ type: 'function', function: { name: 'time', arguments: { at: 1e21 } } }],
};
const prompts = lines(
  ...tinyPrompts(2),
  { prompt_id: 'a', prompt: 'Hi', chosen: turns, rejected: [turns[0], { role: 'assistant', content: '' }] },
  { key: 7, prompt: turns, tools, chosen: 'So.', rejected: 'No.' },
);
const responses = [
  { text: 'a', token_ids: [7, 2], finish_reason: 'stop', logp: -1.5 },
  { text: '', token_ids: [2], finish_reason: 'length' },
];
const sampled = lines(...tinyPrompts(2).map((prompt) => ({ ...prompt, prompt_input_ids: [1, 5, 6], responses })));
const preferences = lines(
  { id: 'a', prompt: 'Hi', chosen: 'a', rejected: 'b', reference_response: 'c', score_chosen: 1, score_rejected: 0.5 },
  {
    chosen: [...turns, { role: 'user', content: 'More' }, turns[1]],
    rejected: [...turns, { role: 'user', content: 'More' }, { role: 'assistant', content: 'No' }],
  },
  { prompt_input_ids: [1, 2], chosen_input_ids: [3], rejected_input_ids: [4], reference_input_ids: [5] },
);
const labels = lines({ id: 'a', candidates: [{ index: 0, score: 1, pass: true }, { index: 1 }] });
const annotations = lines(
  { preference: 1.5, length_model: 3, length_baseline: 4 },
  { preference: 0, output_1: 'a', output_2: '💥' },
);

const parquet = readdirSync('test/fixtures/parquet').filter((name) => name.endsWith('.parquet'));

export function dataParsers(folder: string): Parsers {
  const file = (
    name: string,
    form: Parser['form'],
    inputs: Parser['inputs'],
    read: (path: string) => Promise<unknown>,
  ): Parser => {
    const path = join(folder, 'data', name);
    return { form, inputs, file: path, read: () => read(path) };
  };
  return {
    prompts: file('prompts.jsonl', 'lines', [prompts, firstLines('examples/ifeval/prompts.jsonl', 8)], async (path) =>
      writeJsonl(join(folder, 'written.jsonl'), await readPrompts(path)),
    ),
    sampled: file('sampled.jsonl', 'lines', [sampled], readSampled),
    answered: file(
      'answered.jsonl',
      'lines',
      [
        sampled,
        lines({ prompt: 'Hi', response: 'a' }, { prompt: turns.slice(0, 1), response: turns.slice(1) }),
        lines({ prompt: 'Hi', responses: [{ text: 'a', logp: null }, { text: [calling, turns[1]] }] }),
      ],
      readAnswered,
    ),
    preferences: file('preferences.jsonl', 'lines', [preferences], readPreferences),
    score: file(
      'score.jsonl',
      'lines',
      [lines({ prompt: 'Hi', response: 'a' }), lines({ prompt_input_ids: [1], response_input_ids: [2] })],
      readScoreRows,
    ),
    demonstrations: file(
      'demonstrations.jsonl',
      'lines',
      [lines({ messages: turns, tools }, { prompt: 'a', completion: 'b' })],
      readDemonstrations,
    ),
    labels: file('labels.jsonl', 'lines', [labels], (path) => readJsonl(path, labelRecordSchema)),
    parquet: file(
      'prompts.parquet',
      'binary',
      parquet.map((name) => fixture(join('parquet', name))),
      readPrompts,
    ),
    'annotations-json': file(
      'annotations.json',
      'json',
      ['[{"preference":2,"output_1":"a","output_2":"b"},{"preference":1.5,"output_1":"","output_2":"💥"}]'],
      readAnnotations,
    ),
    annotations: file('annotations.jsonl', 'lines', [annotations], readAnnotations),
    gamed: file('df_gamed.csv', 'text', [firstLines('test/fixtures/winrate/df_gamed.csv', 15)], readGamed),
    'mt-bench-questions': file(
      'question.jsonl',
      'lines',
      [firstLines('examples/mt-bench/question.jsonl', 8)],
      readQuestions,
    ),
    'mt-bench-answers': file('answers.jsonl', 'lines', [fixture('mt-bench/answers.jsonl')], readAnswers),
    'mt-bench-judgements': file(
      'judgements.jsonl',
      'lines',
      [firstLines('test/fixtures/mt-bench/judgements.jsonl', 20)],
      readJudgements,
    ),
  };
}
