/** MT-Bench as a step: two turns of a tiny model, judged by a server. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { benchmark as measure } from '../../../activities/benchmarks/index.ts';
import { whyNotRecomputed } from '../../../activities/recompute.ts';
import { readShards } from '../../../activities/sample.ts';
import type { Address } from '../../../artifacts/manifest.ts';
import { LocalStore } from '../../../artifacts/local-store.ts';
import { benchmarkOf, type MtBenchBenchmark } from '../../../config/benchmarks.ts';
import { writeJsonl } from '../../../data/jsonl.ts';
import { messageText } from '../../../data/conversation.ts';
import type { Message } from '../../../data/records.ts';
import { readAnswers, readJudgements, readQuestions } from '../../../evaluation/mt-bench/files.ts';
import { matchesOf } from '../../../evaluation/mt-bench/matches.ts';
import { scoresOf } from '../../../evaluation/mt-bench/scores.ts';
import { standardError } from '../../../evaluation/statistics.ts';
import { startRecording } from '../../recording-server.ts';
import { tinyModel, tinyPrompts } from '../../tiny-model.ts';
import { testContext } from '../context.ts';
import { importPolicy, sampleBenchmark } from './sampled.ts';

const context = testContext();
const path = (name: string) => join(context.folder, name);

const KEY = 'sk-a-key-of-the-judge';
/** Rates an answer by its length. Fails after `answering` requests; does not rate what `unrated` matches. */
let answering = Infinity;
let unrated: RegExp | undefined;
const { url, requests } = await startRecording(({ body }) => {
  if (requests.length > answering) return [401, { error: { message: `${KEY} is not valid` } }];
  const shown = (JSON.parse(body) as { messages: Message[] }).messages.at(-1)!;
  const text = messageText(shown);
  const content = unrated?.test(text) ? 'No rating.' : `Rating: [[${1 + (text.length % 10)}]]`;
  return [
    200,
    {
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 10, completion_tokens: 5 },
    },
  ];
});

const QUESTIONS = [
  { question_id: 1, category: 'math', turns: ['One and one?', 'And two more?'] },
  { question_id: 2, category: 'writing', turns: ['A line.', 'In verse.'] },
  { question_id: 3, category: 'stem', turns: ['Why?', 'How?'] },
];

let benchmark: MtBenchBenchmark;
let policy: Address;
let responses: Address[];
beforeAll(async () => {
  const model = tinyModel(path('model'));
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as object;
  writeFileSync(join(model, 'config.json'), JSON.stringify({ ...config, max_position_embeddings: 1024 }));
  await writeJsonl(path('train.jsonl'), tinyPrompts(4));
  await writeJsonl(path('questions.jsonl'), QUESTIONS);
  await writeJsonl(path('references.jsonl'), [
    { question_id: 1, model_id: 'gpt-4', choices: [{ index: 0, turns: ['2', '4'] }] },
  ]);
  benchmark = benchmarkOf({
    'mt-bench': {
      judge: { server: url, model: 'judge', retries: 0, concurrency: 2 },
      questions: path('questions.jsonl'),
      references: path('references.jsonl'),
      maxNewTokens: 24,
    },
  }) as MtBenchBenchmark;
  policy = await importPolicy(context, model, path('train.jsonl'));
  responses = await sampleBenchmark(context, policy, benchmark);
});

let folders = 0;
/** Measures in an empty store of judgements and, by default, with an empty cache. */
const measureIn = (cacheFolder: string, judged = benchmark) => {
  const store = Object.assign(Object.create(context.store) as LocalStore, { find: async () => undefined });
  const input = { benchmark: judged, policy, responses, seed: 0, threads: 1 };
  return measure({ ...context, store, cacheFolder }, input, {});
};
const emptyCache = () => path(`cache-${folders++}`);
beforeEach(() => {
  [answering, unrated] = [Infinity, undefined];
  requests.length = 0;
});

test('the second turn is sampled with the answer to the first one, at the temperature of the category', async () => {
  const rows = await readShards(context.store, responses);
  const shown = (id: number) => rows.filter(({ question }) => (question as { question_id: number }).question_id === id);
  for (const { question_id, turns } of QUESTIONS) {
    const [first, second] = shown(question_id);
    const [question, next] = turns.map((content) => ({ role: 'user', content }));
    expect(first.prompt).toEqual([question]);
    expect(second.prompt).toEqual([question, { role: 'assistant', content: first.responses[0].text.trim() }, next]);
  }
  const temperatures = await Promise.all(
    responses.map(async (shard) => {
      const { recipe } = await context.store.manifest(shard);
      return (recipe.parameters as { settings: { temperature: number } }).settings.temperature;
    }),
  );
  // FastChat's: math, writing, stem.
  expect(temperatures).toEqual([0, 0.7, 0.1, 0, 0.7, 0.1]);
});

test('the judge is asked as FastChat asks; the figures are those of selm mt-bench, with the error of the mean over questions', async () => {
  const { address, summary } = await measureIn(emptyCache());
  const folder = await context.store.open(address);
  const questions = await readQuestions(path('questions.jsonl'));
  const { answers } = await readAnswers(join(folder, 'answers.jsonl'));
  const { answers: references } = await readAnswers(path('references.jsonl'));
  const asked = requests.map(({ body }) => (JSON.parse(body) as { messages: Message[] }).messages);
  const matches = matchesOf(questions, answers, references).map(({ messages }) => messages);
  expect(asked.map((messages) => JSON.stringify(messages)).sort()).toEqual(
    matches.map((messages) => JSON.stringify(messages)).sort(),
  );
  expect(matches.some((messages) => messageText(messages.at(-1)!).includes('[The Start of Reference Answer]'))).toBe(
    true,
  );

  const judgements = await readJudgements(join(folder, 'judgements.jsonl'));
  const [scores] = scoresOf(judgements, questions, 0);
  const figure = (metric: string) => summary.rows.find((row) => row.metric === metric)!;
  expect(summary.benchmark).toBe('mt-bench');
  expect(figure('score')).toMatchObject({ value: scores.overall.mean, count: 6 });
  expect(figure('score_first_turn').value).toBe(scores.turns[1].mean);
  expect(figure('score_second_turn').value).toBe(scores.turns[2].mean);
  expect(figure('score_math')).toMatchObject({ value: scores.categories['math'].mean, count: 2 });
  // With as many ratings for each question, it is the standard error of the questions' means.
  const means = QUESTIONS.map(({ question_id }) => {
    const [a, b] = judgements.filter((row) => row.question_id === question_id);
    return (a.score + b.score) / 2;
  });
  expect(figure('score').error).toBeCloseTo(standardError(means), 10);
  expect(summary.rows.map(({ metric }) => metric)).not.toContain('unrated_answers');

  const { recipe } = await context.store.manifest(address);
  expect(recipe.parameters).toEqual({ judge: { server: url, model: 'judge', maxTokens: 2048 } });
  expect(await whyNotRecomputed(recipe, context)).toBe('scored by a server');
});

test('answers without a rating are counted', async () => {
  unrated = /And two more/;
  const { summary } = await measureIn(emptyCache());
  expect(summary.rows[0].count).toBe(5);
  expect(summary.rows.at(-1)).toEqual({ task: 'mt-bench', metric: 'unrated_answers', value: 1, count: 6 });
});

test('what a judge has answered before a failure is not asked again, and its key is not in the error', async () => {
  const cache = emptyCache();
  answering = 3;
  const failed = await measureIn(cache).catch((error: Error) => error);
  expect(failed).toBeInstanceOf(Error);
  expect((failed as Error).message).toMatch(/requires a key|does not accept the key/);
  answering = Infinity;
  const before = requests.length;
  await measureIn(cache);
  expect(requests.length - before).toBe(3);
  const asked = requests.length;
  await measureIn(cache);
  expect(requests.length).toBe(asked);
});

test('a question on math without a reference answer is refused before anything is sampled', async () => {
  await writeJsonl(path('other.jsonl'), [
    { question_id: 9, model_id: 'gpt-4', choices: [{ index: 0, turns: ['x', 'y'] }] },
  ]);
  await expect(sampleBenchmark(context, policy, { ...benchmark, references: path('other.jsonl') })).rejects.toThrow(
    'Question 1 has no reference answer; add it.',
  );
});
