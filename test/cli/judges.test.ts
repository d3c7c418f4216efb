/** `selm label` and `selm mt-bench` with judges behind servers of today's kinds: what they refuse, and how they answer. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { writeJsonl } from '../../data/jsonl.ts';
import type { QuestionJudgement } from '../../evaluation/mt-bench/files.ts';
import { selm, summaryOf } from '../command.ts';
import { startRecording } from '../recording-server.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);
const readLines = <T>(name: string): T[] =>
  readFileSync(path(name), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);

interface Request {
  model: string;
  messages: { content: string }[];
  max_tokens?: number;
  max_completion_tokens?: number;
  temperature?: number;
}
type Reply = [number, unknown];

const refuse = (param: string, message: string): Reply => [
  400,
  { error: { message, type: 'invalid_request_error', param, code: 'unsupported_parameter' } },
];
const answer = (message: object, finish_reason = 'stop'): Reply => [
  200,
  {
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason }],
    usage: { prompt_tokens: 10, completion_tokens: 5 },
  },
];

/** By the model's name. `v` is the right verdict on what is shown. */
const JUDGES: Record<string, (v: string, request: Request) => Reply> = {
  reasoning: (v, request) => {
    if (request.max_tokens !== undefined)
      return refuse(
        'max_tokens',
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      );
    if (request.temperature !== undefined)
      return refuse('temperature', "Unsupported value: 'temperature' does not support 0 with this model.");
    return answer({ content: `[[${v}]]` });
  },
  thinking: (v) => answer({ content: `<think>\n[[A]] or [[B]]?\n</think>\n\nMy verdict: [[${v}]]` }),
  template: (v) => answer({ content: `The format wants [[A]] or [[B]].\n</think>\n\n**[[${v}]]**` }),
  beside: (v) => answer({ content: [{ type: 'text', text: `[[${v}]]` }], reasoning_content: '[[A]]' }),
  cut: () => answer({ content: null, reasoning_content: 'I lean to [[A]]' }, 'length'),
  wordy: (v) => answer({ content: `Final Verdict: ${v}` }),
  short: (_, { max_tokens }) =>
    max_tokens! < 4000
      ? answer({ content: '<think>Rating: [[5]]' }, 'length')
      : answer({ content: '<think>Rating: [[5]]</think>Rating: [[9]]' }),
  strict: () =>
    refuse('messages[0].role', "Unsupported value: 'messages[0].role' does not support 'system' with this model."),
};
const { url, requests } = await startRecording(({ body }) => {
  const request = JSON.parse(body) as Request;
  const shown = request.messages.at(-1)!.content;
  return JUDGES[request.model](shown.indexOf('good') < shown.indexOf('bad') ? 'A' : 'B', request);
});

beforeAll(async () => {
  const responses = ['good answer', 'bad answer'].map((text) => ({
    text,
    token_ids: [1],
    finish_reason: 'stop',
    logp: 0,
  }));
  await writeJsonl(path('responses.jsonl'), [{ id: 'q1', prompt: 'Say something.', responses }]);
  await writeJsonl(path('questions.jsonl'), [{ question_id: 1, category: 'writing', turns: ['One.'] }]);
  await writeJsonl(path('references.jsonl'), [
    { question_id: 1, model_id: 'gpt-4', choices: [{ index: 0, turns: ['x'] }] },
  ]);
  await writeJsonl(path('answers.jsonl'), [
    { question_id: 1, model_id: 'me', choices: [{ index: 0, turns: ['good'] }] },
  ]);
});

const env = { SELM_CACHE: path('cache'), OPENAI_API_KEY: '' };
const label = (judge: string, ...more: string[]) =>
  selm(
    [
      'label',
      '--by',
      'judge',
      '--server',
      `${url}/v1`,
      '--judge-model',
      judge,
      '--in',
      path('responses.jsonl'),
      '--out',
      path(`${judge}.jsonl`),
      ...more,
    ],
    env,
  );
const askedOf = (judge: string) =>
  requests.map(({ body }) => JSON.parse(body) as Request).filter(({ model }) => model === judge);

describe('selm label', () => {
  test.each(['reasoning', 'thinking', 'template', 'beside'])('a judge of the kind %s decides', async (judge) => {
    const ended = await label(judge);
    expect(ended.code, ended.stderr).toBe(0);
    expect(readLines(`${judge}.jsonl`)).toMatchObject([
      { chosen: 'good answer', rejected: 'bad answer', score_chosen: 1 },
    ]);
    const isDefault = ended.stdout.includes("2 of the judge's answers are at its default temperature");
    expect(isDefault).toBe(judge === 'reasoning');
    // The second time no request is sent, and the output is the same.
    const asked = askedOf(judge).length;
    expect((await label(judge)).stdout).toBe(ended.stdout);
    expect(askedOf(judge)).toHaveLength(asked);
  });

  test.each([
    [
      'cut',
      { unparsed: 2, truncatedJudgements: 2 },
      "2 of the judge's answers were cut before a verdict: raise maxTokens",
    ],
    ['wordy', { unparsed: 2 }, "2 of the judge's answers have no verdict, or more than one"],
  ])('what a judge of the kind %s says is no judgement, and why is told', async (judge, counts, advice) => {
    const { stdout, code } = await label(judge);
    expect(code).toBe(0);
    expect(readLines(`${judge}.jsonl`)).toEqual([]);
    expect(stdout).toContain(advice);
    expect(summaryOf<{ counts: object }>(await label(judge, '--json')).counts).toMatchObject(counts);
  });

  test('a judge that takes no system message is told of in one sentence', async () => {
    const { code, stderr } = await label('strict');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^selm: The judge rejected all of its prompts: http:\S+ rejected the request \(400 .*\); this model takes no system message: use a template without system_prompt\.\n$/,
    );
  });
});

test('selm mt-bench: a thought has no rating; an answer cut in it is no judgement, and is asked for again with more tokens', async () => {
  const flags = [
    'mt-bench',
    '--questions',
    path('questions.jsonl'),
    '--references',
    path('references.jsonl'),
    '--answers',
    path('answers.jsonl'),
    '--judgements',
    path('judgements.jsonl'),
    '--server',
    `${url}/v1`,
    '--judge-model',
    'short',
  ];
  const cut = await selm(flags, env);
  expect(cut.code).toBe(2);
  expect(cut.stderr).toBe(
    "selm: There is no judgement. 1 of the judge's answers were cut before a verdict: raise maxTokens (--judge-max-tokens).\n",
  );
  expect(existsSync(path('judgements.jsonl'))).toBe(false);
  const whole = await selm([...flags, '--judge-max-tokens', '8000', '--json'], env);
  expect(whole.code, whole.stderr).toBe(0);
  expect(readLines<QuestionJudgement>('judgements.jsonl')).toMatchObject([
    { judgment: '<think>Rating: [[5]]</think>Rating: [[9]]', score: 9 },
  ]);
});
