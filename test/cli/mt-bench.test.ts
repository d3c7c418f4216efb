/** `selm mt-bench` with models on the engine: one answers, one has learnt to judge. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeJsonl } from '../../data/jsonl.ts';
import { selm, startSelm, summaryOf, type Running } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel } from '../tiny-model.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);
const readLines = <T>(name: string): T[] => readFileSync(path(name), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as T); // prettier-ignore

interface Answer {
  question_id: number;
  answer_id: string;
  model_id: string;
  choices: { index: number; turns: string[] }[];
}
interface Judgement {
  question_id: number;
  judge: [string, string];
  user_prompt: string;
  judgment: string;
  score: number;
  turn: number;
}
interface Score {
  mean: number;
  interval: { low: number; high: number };
  ratings: number;
}
interface Summary {
  answers: number;
  scores: { model: string; judge: string; overall: Score; turns: Record<string, Score>; unrated: number }[];
  refused: number;
}

const model = tinyModel(path('model'));
const questions = [
  { question_id: 1, category: 'math', turns: ['One and one?', 'And two more?'] },
  { question_id: 2, category: 'writing', turns: ['A line.', 'In verse.'] },
];
const references = [{ question_id: 1, model_id: 'me', choices: [{ index: 0, turns: ['2', '4'] }] }];

/** The tiny model with room for a judge's prompts. */
function roomyModel(): string {
  const roomy = tinyModel(path('roomy'));
  const config = JSON.parse(readFileSync(join(roomy, 'config.json'), 'utf8')) as object;
  writeFileSync(join(roomy, 'config.json'), JSON.stringify({ ...config, max_position_embeddings: 8192 }));
  return roomy;
}

const home = { SELM_CACHE: path('cache') };
async function mtBench(...args: string[]): Promise<Summary> {
  const ended = await selm(['mt-bench', '--questions', path('questions.jsonl'), '--references', path('references.jsonl'), ...args, '--json'], home); // prettier-ignore
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return summaryOf<Summary>(ended);
}
const answering = ['--model', model, '--name', 'tiny', '--out', path('answers.jsonl'), '--max-new-tokens', '24', '--seed', '3']; // prettier-ignore

let server: Running;
let url: string;
beforeAll(async () => {
  await writeJsonl(path('questions.jsonl'), questions);
  await writeJsonl(path('references.jsonl'), references);
  await mtBench(...answering);
});

test('two turns are answered, the second with the first answer before it', async () => {
  const rows = readLines<Answer>('answers.jsonl');
  expect(rows).toMatchObject(questions.map(({ question_id }) => ({ question_id, model_id: 'tiny', choices: [{ index: 0 }] }))); // prettier-ignore
  // At temperature 0 anybody who asks gets the same answer.
  const [{ choices: [{ turns }] }] = rows; // prettier-ignore
  const [{ turns: asked }] = questions;
  const user = (content: string) => ({ role: 'user', content });
  const conversations = [
    [user(asked[0])],
    [user(asked[0]), { role: 'assistant', content: turns[0] }, user(asked[1])],
  ];
  await writeJsonl(path('prompts.jsonl'), conversations.map((prompt) => ({ prompt })));
  const sampled = await selm(['sample', '--model', model, '--prompts', path('prompts.jsonl'), '--out', path('sampled.jsonl'), '--max-new-tokens', '24'], {}); // prettier-ignore
  expect(sampled.code).toBe(0);
  const texts = readLines<{ responses: { text: string }[] }>('sampled.jsonl').map(({ responses }) => responses[0].text.trim()); // prettier-ignore
  expect(turns).toEqual(texts);
});
