/** MT-Bench against FastChat's own code; test/fixtures/mt-bench says how its numbers were made. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { JUDGING, judgeAnswers, ratingIn } from '../../evaluation/mt-bench/judging.ts';
import { matchesOf } from '../../evaluation/mt-bench/matches.ts';
import { scoresOf } from '../../evaluation/mt-bench/scores.ts';
import { temperatureOf } from '../../evaluation/mt-bench/turns.ts';
import { InputError } from '../../data/errors.ts';
import { readAnswers, readJudgements, readQuestions, type QuestionJudgement } from '../../evaluation/mt-bench/files.ts';
import { askServer } from '../../labelers/judge/ask.ts';
import { AnswerCache } from '../../openai/client/response-cache.ts';
import { startRecording } from '../recording-server.ts';
import { temporaryFolder } from '../temporary.ts';

interface Shown {
  first_turn: number;
  second_turn: number;
  average: number;
  categories: Record<string, number>;
  interval: [number, number];
  standard_error: number;
  unrated: number;
}
interface Request {
  model: string;
  messages: { role: string; content: string }[];
  temperature: number;
  max_tokens: number;
}
interface Expected {
  temperatures: Record<string, number>;
  matches: { asked: Omit<Request, 'model'>; result: QuestionJudgement }[];
  ratings: { judgement: string; score: number }[];
  shown: Record<string, Shown>;
}

const fixtures = new URL('../fixtures/mt-bench/', import.meta.url).pathname;
const suite = new URL('../../examples/mt-bench/', import.meta.url).pathname;
const expected = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as Expected;
const questions = await readQuestions(join(suite, 'question.jsonl'));
const references = (await readAnswers(join(suite, 'reference_gpt4.jsonl'))).answers;
const { model, answers } = await readAnswers(join(fixtures, 'answers.jsonl'));
const answered = questions.filter(({ question_id }) => answers.has(question_id));
const matches = matchesOf(answered, answers, references);
const textOf = (place: number) => matches[place].messages.at(-1)!.content as string;

test('questions are answered at the temperature of their category', () => {
  const categories = [...new Set(questions.map(({ category }) => category))];
  expect(categories).toHaveLength(8);
  for (const question of questions) expect(temperatureOf(question)).toBe(expected.temperatures[question.category]);
});

test("the judge is shown what FastChat's is shown", () => {
  expect(matches.map(({ messages }) => messages)).toEqual(expected.matches.map(({ asked }) => asked.messages));
  expect(matches.map(({ template, turn }) => [template, turn])).toEqual(
    expected.matches.map(({ result }) => [result.judge[1], result.turn]),
  );
  const templates = new Set(matches.map(({ template }) => template));
  expect(templates.size).toBe(4);
});

test('an answer or a reference answer that is missing is named', () => {
  const math = questions.filter(({ category }) => category === 'math').slice(0, 1);
  const one = new Map([[math[0].question_id, { ...answers.get(81)!, question_id: math[0].question_id }]]);
  expect(() => matchesOf(math, answers, new Map())).toThrow(
    new InputError('Question 111 has no reference answer; add it.'),
  );
  expect(() => matchesOf(math, new Map(), one)).toThrow(new InputError('Question 111 has no answer; add it.'));
  const short = new Map([[111, { ...answers.get(111)!, choices: [{ index: 0, turns: ['x'] }] }]]);
  expect(() => matchesOf(math, short, one)).toThrow('Question 111 has only 1 of 2 turns in its answer; add it.');
});

test.each(expected.ratings)('the rating in $judgement is $score', ({ judgement, score }) => {
  expect(ratingIn(judgement) ?? -1).toBe(score);
});

describe('judging', async () => {
  /** What FastChat's judge said of each text. */
  const results = expected.matches.map(({ result }) => result);
  const said = new Map(results.map(({ user_prompt, judgment }) => [user_prompt, judgment]));
  const folder = temporaryFolder();
  let saved: QuestionJudgement[];
  const save = async (rows: QuestionJudgement[]) => void (saved = rows);
  let asked: Request[];
  /** Of which text the server does not take the request, or fails, and with which status. */
  let trouble: { text: string; status: number } | undefined;
  let cache: AnswerCache;
  beforeEach(({ task }) => {
    [saved, asked, trouble, cache] = [[], [], undefined, new AnswerCache(join(folder, task.id))];
  });

  const { url } = await startRecording(({ body }) => {
    const request = JSON.parse(body) as Request;
    const { content } = request.messages.at(-1)!;
    if (content === trouble?.text) return [trouble.status, { error: { message: 'no' } }];
    asked.push(request);
    return [
      200,
      { choices: [{ message: { role: 'assistant', content: said.get(content as string) }, finish_reason: 'stop' }] },
    ];
  });
  const judge = (known: QuestionJudgement[] = []) => {
    const ask = askServer({ url, model: 'gpt-4', concurrency: 1, retries: 0 }, JUDGING, cache);
    return judgeAnswers({ name: 'gpt-4', ask }, matches, { model, known, save });
  };

  test('asks and writes what FastChat does', async () => {
    expect(await judge()).toMatchObject({ judgements: matches.length, refused: 0 });
    expect(saved).toEqual(results);
    expect(asked).toHaveLength(matches.length);
    for (const match of expected.matches) expect(asked).toContainEqual({ ...match.asked, model: 'gpt-4' });
  });

  test('asks for nothing twice that was answered before it failed', async () => {
    const fails = 13;
    trouble = { text: textOf(fails), status: 500 };
    await expect(judge()).rejects.toThrow('gave no answer');
    trouble = undefined;
    await judge();
    expect(saved).toEqual(results);
    const times = (place: number) => asked.filter(({ messages }) => messages.at(-1)!.content === textOf(place)).length;
    for (let place = 0; place < fails; place++) expect(times(place), `judgement ${place}`).toBe(1);
  });

  test('is done again for an answer that has changed, and leaves the judgements of others as they are', async () => {
    const other = { ...results[0], model: 'other' };
    const stale = { ...results[1], user_prompt: 'another text' };
    await judge([other, stale, ...results.slice(2)]);
    expect(new Set(saved)).toEqual(new Set([other, ...results]));
    expect(asked.map(({ messages }) => messages.at(-1)!.content as string).sort()).toEqual(
      [textOf(0), textOf(1)].sort(),
    );
  });

  test('leaves out what the judge does not take', async () => {
    trouble = { text: textOf(3), status: 400 };
    expect(await judge()).toMatchObject({ judgements: matches.length, refused: 1 });
    expect(saved).toEqual(results.filter((_, i) => i !== 3));
  });
});

describe('figures', async () => {
  const judgements = await readJudgements(join(fixtures, 'judgements.jsonl'));
  const scores = scoresOf(judgements, questions, 0);

  test.each(Object.entries(expected.shown))("of %s are those of FastChat's show_result", (name, shown) => {
    const found = scores.find(({ model }) => model === name)!;
    expect(found.judge).toBe('gpt-4');
    expect(found.turns['1'].mean).toBeCloseTo(shown.first_turn, 12);
    expect(found.turns['2'].mean).toBeCloseTo(shown.second_turn, 12);
    expect(found.overall.mean).toBeCloseTo(shown.average, 12);
    expect(found.unrated).toBe(shown.unrated);
    const means = Object.fromEntries(Object.entries(found.categories).map(([category, { mean }]) => [category, mean]));
    expect(Object.keys(means)).toEqual(Object.keys(shown.categories).sort());
    for (const [category, mean] of Object.entries(shown.categories)) expect(means[category]).toBeCloseTo(mean, 12);
    // Of 10,000 resamples, the ends have a standard deviation of 0.03 standard errors of the mean.
    const { low, high } = found.overall.interval;
    expect(Math.abs(low - shown.interval[0])).toBeLessThan(0.1 * shown.standard_error);
    expect(Math.abs(high - shown.interval[1])).toBeLessThan(0.1 * shown.standard_error);
  });

  test('are given best first', () => {
    expect(scores.map(({ model }) => model)).toEqual(['strong', 'weak']);
  });

  test('need a question to every judgement, and a rating', () => {
    expect(() => scoresOf(judgements, questions.slice(1), 0)).toThrow('judgement on question 81');
    const none = judgements.map((judgement) => ({ ...judgement, score: -1 }));
    expect(() => scoresOf(none, questions, 0)).toThrow('no judgement with a rating');
  });
});
