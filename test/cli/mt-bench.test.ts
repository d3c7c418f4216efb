/** `selm mt-bench` with models on the engine: one answers, one has learnt to judge. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { matchesOf } from '../../evaluation/mt-bench/matches.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import type { QuestionAnswer, QuestionJudgement } from '../../evaluation/mt-bench/files.ts';
import { LocalEngine } from '../../engine/onnx/engine.ts';
import { samplingSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { addressOf, selm, startSelm, summaryOf } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel } from '../tiny-model.ts';

interface Score {
  mean: number;
  interval: { low: number; high: number };
  ratings: number;
}
interface Summary {
  model: string;
  answers: number;
  scores: {
    model: string;
    judge: string;
    overall: Score;
    turns: Record<string, Score>;
    categories: Record<string, Score>;
    unrated: number;
  }[];
  refused: number;
}

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);
const read = (name: string) => readFileSync(path(name), 'utf8');
const readLines = <T>(name: string): T[] =>
  read(name)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

const engine = new LocalEngine();
const control = { onProgress: () => {}, aborted: () => false };
afterAll(() => engine.close());

const model = tinyModel(path('model'));
const judge = path('judge');
const questions = [
  { question_id: 1, category: 'math', turns: ['One and one?', 'And two more?'] },
  { question_id: 2, category: 'writing', turns: ['A line.', 'In verse.'] },
];
const answerOf = (question_id: number, ...turns: string[]): QuestionAnswer => ({
  question_id,
  model_id: 'me',
  choices: [{ index: 0, turns }],
});
const references = [answerOf(1, '2', '4')];

const byId = (rows: QuestionAnswer[]) => new Map(rows.map((row) => [row.question_id, row]));

/** Trains the tiny model, with room for what a judge is shown, to rate whatever it is shown. */
async function trainJudge(): Promise<void> {
  const roomy = tinyModel(path('roomy'));
  const config = JSON.parse(read('roomy/config.json')) as object;
  writeFileSync(path('roomy/config.json'), JSON.stringify({ ...config, max_position_embeddings: 8192 }));
  const answers = questions.map(({ question_id }) => answerOf(question_id, 'Some answer.', 'Another, and another.'));
  const rows = matchesOf(questions, byId(answers), byId(references)).map(({ messages }) => ({
    prompt: messages,
    completion: '[7]',
  }));
  const training = trainingSchema.parse({
    full: true,
    learningRate: 1e-2,
    epochs: 10,
    batchSize: 2,
    maxPromptLength: 600,
  });
  await engine.run('sft', { policy: { model: roomy }, rows, training, seed: 0, outDir: judge }, control);
}

const seven = (ratings: number): Score => ({ mean: 7, interval: { low: 7, high: 7 }, ratings });

const environment = { SELM_CACHE: path('cache') };
const mtBench = (...args: string[]) =>
  selm(
    ['mt-bench', '--questions', path('questions.jsonl'), '--references', path('references.jsonl'), ...args, '--json'],
    environment,
  );
async function summary(...args: string[]): Promise<Summary> {
  const ended = await mtBench(...args);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return summaryOf<Summary>(ended);
}
const answering = ['--model', model, '--name', 'tiny', '--out', path('answers.jsonl'), '--max-new-tokens', '24'];

beforeAll(async () => {
  await writeJsonl(path('questions.jsonl'), questions);
  await writeJsonl(path('references.jsonl'), references);
  await trainJudge();
  expect(await summary(...answering)).toEqual({ model: 'tiny', answers: 2, scores: [], refused: 0 });
});

test('answers are in the form of FastChat, the second given with the first before it', async () => {
  const rows = readLines<QuestionAnswer>('answers.jsonl');
  expect(rows).toMatchObject(
    questions.map(({ question_id }) => ({ question_id, model_id: 'tiny', choices: [{ index: 0 }] })),
  );
  // At temperature 0 the answer is deterministic.
  const { turns } = rows[0].choices[0];
  const [first, second] = questions[0].turns.map((content) => ({ role: 'user', content }));
  const prompts = [[first], [first, { role: 'assistant', content: turns[0] }, second]];
  const settings = samplingSchema.parse({ maxNewTokens: 24 });
  const job = { policy: { model }, prompts: prompts.map((prompt, i) => ({ id: `${i}`, prompt })), settings, seed: 0 };
  const { responses } = await engine.run('sample', job, control);
  expect(turns).toEqual(responses.map(([{ text }]) => text.trim()));
});

test('answers on file are not made again, those made with other settings are refused', async () => {
  const before = read('answers.jsonl');
  const [kept] = readLines<object>('answers.jsonl');
  writeFileSync(path('answers.jsonl'), `${JSON.stringify(kept)}\n`);
  await summary(...answering);
  expect(read('answers.jsonl')).toBe(before);
  const other = await mtBench(...answering, '--seed', '1');
  expect(other).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('question 1 in the file is of another policy or has other settings') as string,
  });
});

test('a judge behind a server and the same on the engine give the same figures', async () => {
  const server = startSelm(['serve', '--model', judge, '--port', '0'], environment);
  const judging = ['--answers', path('answers.jsonl'), '--judge-model', judge];
  let byServer: Summary;
  try {
    byServer = await summary(...judging, '--server', await addressOf(server), '--judgements', path('by-server.jsonl'));
  } finally {
    server.process.kill('SIGTERM');
    await server.ended;
  }
  expect(byServer.refused).toBe(0);
  expect(byServer.scores).toHaveLength(1);
  expect(byServer.scores[0]).toEqual({
    model: 'tiny',
    judge,
    overall: seven(4),
    turns: { 1: seven(2), 2: seven(2) },
    categories: { math: seven(2), writing: seven(2) },
    unrated: 0,
  });

  const byEngine = await summary(...judging, '--judgements', path('by-engine.jsonl'));
  expect(byEngine).toEqual(byServer);
  expect(read('by-engine.jsonl')).toBe(read('by-server.jsonl'));
  const rows = readLines<QuestionJudgement>('by-engine.jsonl');
  expect(rows.map(({ question_id, turn, judge: [, template] }) => [question_id, turn, template])).toEqual([
    [1, 1, 'single-math-v1'],
    [1, 2, 'single-math-v1-multi-turn'],
    [2, 1, 'single-v1'],
    [2, 2, 'single-v1-multi-turn'],
  ]);

  // The server is stopped: existing judgements need no requests.
  const again = await summary(...judging, '--server', 'http://127.0.0.1:9/v1', '--judgements', path('by-server.jsonl'));
  expect(again).toEqual(byServer);
});

test.each([
  ['a policy without a file for its answers', ['--model', model], '--out'],
  [
    'questions that the model has no room for',
    ['--model', model, '--out', path('x'), '--max-new-tokens', '200'],
    'Question 1: a sequence of',
  ],
])('%s is refused in one sentence', async (_what, args, said) => {
  const { code, stderr } = await mtBench(...args);
  expect(stderr).toMatch(/^selm: .+\n$/);
  expect(stderr).toContain(said);
  expect(code).toBe(2);
});
