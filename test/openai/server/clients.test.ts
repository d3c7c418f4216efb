/** Concurrent clients of one endpoint: invalid requests and disconnections of one client do not affect the others. */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { endpoint } from '../../../openai/server/app.ts';
import { Models } from '../../../openai/server/models.ts';
import type { CallOptions, Engine, Progress } from '../../../engine/protocol/jobs.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';
import { inProcessEngine } from './in-process.ts';

const model = tinyModel(join(temporaryFolder(), 'model'));
const engine = inProcessEngine();
afterAll(() => engine.close());

/** An endpoint whose engine records its jobs. The test controls when jobs begin and whether they fail. */
function watched({
  begin = async () => {},
  onProgress = () => {},
  fails = () => false,
}: {
  begin?: () => Promise<void>;
  onProgress?: (progress: Progress) => void;
  fails?: (job: { prompts?: unknown[] }) => boolean;
} = {}) {
  const jobs: { prompts?: unknown[]; sequences?: unknown[] }[] = [];
  const run = async (method: never, job: never, options: CallOptions = {}) => {
    jobs.push(job);
    await begin();
    if (fails(job)) throw new Error('the engine was killed');
    const tell = (progress: Progress) => {
      onProgress(progress);
      options.onProgress?.(progress);
    };
    return engine.run(method, job, { ...options, onProgress: tell });
  };
  const app = endpoint(new Models('tiny', { model }, { ...engine, run, close: async () => {} } as Engine));
  return { app, jobs };
}
type App = ReturnType<typeof watched>['app'];

const PROMPT = [3, 40, 50, 2, 4];
const ask = (app: App, body: object, signal?: AbortSignal, path = 'completions') =>
  app.request(`/v1/${path}`, {
    method: 'POST',
    body: JSON.stringify({
      model: 'tiny',
      prompt: PROMPT,
      max_tokens: 8,
      temperature: 0,
      return_token_ids: true,
      ...body,
    }),
    headers: { 'content-type': 'application/json' },
    ...(signal && { signal }),
  });
const tokensOf = async (response: Response) => {
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return (JSON.parse(text) as { choices: { token_ids: number[] }[] }).choices[0].token_ids;
};

/** A promise that is resolved by calling `open`. */
function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

test('the first token is with the client while the engine samples the next ones', async () => {
  const seen: Progress[] = [];
  const { app } = watched({ onProgress: (progress) => seen.push(progress) });
  const response = await ask(app, { stream: true, max_tokens: 200 });
  const { value } = await response.body!.getReader().read();
  expect(Buffer.from(value!).toString()).toMatch(/^data: \{"id":"cmpl-/);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.every(({ done }) => done === 0)).toBe(true);
  expect(seen.every(({ newTokens }) => newTokens![0].tokens.length === 1)).toBe(true);
});

const isBad = (prompt: unknown) => String((prompt as { prompt_input_ids: number[] }).prompt_input_ids) === '4,4,4';

describe('a batch', () => {
  test('has no prompt without tokens: it is refused, and the other clients are answered', async () => {
    const { app } = watched();
    const alone = await tokensOf(await ask(app, {}));
    // The tiny model's tokenizer drops characters that are not ASCII.
    const all = await Promise.all([{}, { prompt: 'é' }, {}, { prompt: ['a', 'ü'] }, {}].map((body) => ask(app, body)));
    expect(all.map(({ status }) => status)).toEqual([200, 400, 200, 400, 200]);
    expect(await all[1].json()).toMatchObject({ error: { message: 'the prompt has no tokens; give at least one.' } });
    for (const i of [0, 2, 4]) expect(await tokensOf(all[i])).toEqual(alone);
  });

  test('that fails is run request by request: only that which is the cause fails', async () => {
    const bad = { prompt: [4, 4, 4] };
    const { app, jobs } = watched({ fails: ({ prompts }) => prompts!.some(isBad) });
    const alone = await tokensOf(await ask(app, {}));
    // Requests that arrive while a job runs are combined into the next job.
    const all = await Promise.all([{ max_tokens: 2 }, {}, bad, {}].map((body) => ask(app, body)));
    expect(all.map(({ status }) => status)).toEqual([200, 200, 500, 200]);
    for (const i of [1, 3]) expect(await tokensOf(all[i])).toEqual(alone);
    expect(jobs.map(({ prompts }) => prompts!.length)).toEqual([1, 1, 3, 1, 1, 1]);
  });
});

describe('a client that is gone', () => {
  test('before its job begins: it is not computed', async () => {
    const { opened, open } = gate();
    const { app, jobs } = watched({ begin: () => opened });
    const first = ask(app, { max_tokens: 2 });
    const gone = new AbortController();
    const [left, stays] = [ask(app, {}, gone.signal), ask(app, { prompt: [3, 41, 2] })];
    // Both requests wait for the first job.
    await expect.poll(() => jobs.length).toBe(1);
    gone.abort();
    open();
    await Promise.all([first, stays, left]);
    expect(jobs.map(({ prompts }) => prompts!.length)).toEqual([1, 1]);
  });

  test('in the middle of its answer: the engine stops sampling it', async () => {
    const gone = new AbortController();
    let last: Progress | undefined;
    const { app } = watched({
      onProgress: (progress) => {
        last = progress;
        gone.abort();
      },
    });
    await ask(app, { stream: true, max_tokens: 240 }, gone.signal);
    await tokensOf(await ask(watched().app, {}));
    expect(last).toMatchObject({ total: 1, tokens: 1 });
  });

  test('does not keep others in its batch from their whole answers', async () => {
    const { app, jobs } = watched();
    const alone = await tokensOf(await ask(app, { max_tokens: 100 }));
    const first = ask(app, { max_tokens: 2 });
    const gone = new AbortController();
    const [left, stays] = [
      ask(app, { max_tokens: 100, prompt: [3, 41, 2] }, gone.signal),
      ask(app, { max_tokens: 100 }),
    ];
    await first;
    gone.abort();
    expect(await tokensOf(await stays)).toEqual(alone);
    await left;
    expect(jobs.length).toBeLessThanOrEqual(3);
  });

  test('of log-likelihoods: the job ends where all its clients are gone', async () => {
    const { opened, open } = gate();
    const gone = new AbortController();
    const { app, jobs } = watched({ begin: () => opened });
    const left = ask(app, { echo: true, logprobs: 1, max_tokens: 0 }, gone.signal);
    await expect.poll(() => jobs.length).toBe(1);
    gone.abort();
    open();
    expect((await left).status).toBe(400);
  });
});

test('an answer that has reached its stop text costs no more tokens', async () => {
  let tokens = 0;
  const { app } = watched({ onProgress: (progress) => (tokens = progress.tokens) });
  const response = await ask(app, { max_tokens: 240 });
  const { choices } = (await response.json()) as { choices: { text: string }[] };
  expect(tokens).toBe(240);
  const stop = choices[0].text.slice(3, 5);
  expect((await ask(app, { max_tokens: 240, stop })).status).toBe(200);
  // The job ends when its response is complete.
  await tokensOf(await ask(watched().app, { max_tokens: 1 }));
  expect(tokens).toBeLessThanOrEqual(16);
});
