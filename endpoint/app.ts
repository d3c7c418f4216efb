/** A policy behind the OpenAI API: models, completions, chat completions. */
import { randomInt, randomUUID } from 'node:crypto';
import { Hono, type Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { streamSSE } from 'hono/streaming';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import { InputError } from '../data/errors.ts';
import type { Engine, Policy } from '../engine/jobs.ts';
import { Answers, type Answer, type Wanted } from './answers.ts';
import { chatLogprobs, completionLogprobs } from './logprobs.ts';
import { chatRequest, completionRequest, type ChatRequest, type CompletionRequest } from './requests.ts';

/** Longest answer of a chat that sets no limit. */
const CHAT_TOKENS = 512;

/** A request that cannot be served, as the OpenAI API tells of it. */
class Refused extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: string | null;
  readonly param: string | null;
  constructor(status: ContentfulStatusCode, message: string, code: string | null = null, param: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

/**
 * @param name what clients call the policy
 * @returns the application; `app.fetch` serves it
 */
export function endpoint(name: string, policy: Policy, engine: Engine): Hono {
  const answers = new Answers(policy, engine);
  const created = Math.floor(Date.now() / 1000);
  const model = { id: name, object: 'model', created, owned_by: 'selm' };
  const app = new Hono();

  app.get('/health', (c) => c.json({ status: 'ok' }));
  app.get('/v1/models', (c) => c.json({ object: 'list', data: [model] }));
  app.get('/v1/models/:id{.+}', (c) => {
    checkModel(c.req.param('id'));
    return c.json(model);
  });

  app.post('/v1/completions', async (c) => {
    const request = await read(c, completionRequest);
    checkModel(request.model);
    const prompts = promptsOf(request).map((prompt) => (typeof prompt === 'string' ? answers.encodeText(prompt) : prompt)); // prettier-ignore
    const { echo, logprobs } = request;
    const wanted = { ...wantedOf(request), maxTokens: request.max_tokens, echo, scored: typeof logprobs === 'number' };
    const found = (await answers.to(prompts, wanted)).flat();
    const choices = found.map((answer, index) => ({
      index,
      text: answer.text,
      logprobs: typeof logprobs === 'number' ? completionLogprobs(answer, logprobs, answers.decode) : null,
      finish_reason: answer.finishReason,
    }));
    const head = { id: `cmpl-${randomUUID()}`, object: 'text_completion', created: now(), model: name };
    if (request.stream) return stream(c, choices.map((choice) => ({ ...head, choices: [choice] }))); // prettier-ignore
    return c.json({ ...head, choices, usage: usageOf(found, request.n) });
  });

  app.post('/v1/chat/completions', async (c) => {
    const request = await read(c, chatRequest);
    checkModel(request.model);
    const prompt = answers.encodeChat(request.messages);
    const maxTokens = request.max_completion_tokens ?? request.max_tokens ?? Math.min(CHAT_TOKENS, answers.room(prompt)); // prettier-ignore
    const wanted = { ...wantedOf(request), maxTokens, echo: false, scored: request.logprobs };
    const [found] = await answers.to([prompt], wanted);
    const choices = found.map((answer, index) => ({
      index,
      message: { role: 'assistant', content: answer.text, refusal: null },
      logprobs: request.logprobs ? chatLogprobs(answer, request.top_logprobs, answers.decode) : null,
      finish_reason: answer.finishReason,
    }));
    const head = { id: `chatcmpl-${randomUUID()}`, created: now(), model: name };
    if (request.stream) {
      const chunks = choices.flatMap(({ index, message, logprobs, finish_reason }) => [
        { index, delta: { role: 'assistant', content: message.content }, logprobs, finish_reason: null },
        { index, delta: {}, logprobs: null, finish_reason },
      ]);
      return stream(c, chunks.map((choice) => ({ ...head, object: 'chat.completion.chunk', choices: [choice] }))); // prettier-ignore
    }
    return c.json({ ...head, object: 'chat.completion', choices, usage: usageOf(found, request.n) });
  });

  app.notFound((c) => refuse(c, new Refused(404, `There is no ${c.req.method} ${c.req.path}.`)));
  app.onError((error, c) => {
    if (error instanceof Refused) return refuse(c, error);
    if (error instanceof InputError) return refuse(c, new Refused(400, error.message));
    if (error instanceof HTTPException) return refuse(c, new Refused(error.status, error.message));
    console.error(`selm: ${error.message}`);
    return refuse(c, new Refused(500, 'The engine failed; try again.'));
  });
  return app;

  function checkModel(asked: string): void {
    if (asked !== name) throw new Refused(404, `The model "${asked}" does not exist; this endpoint serves "${name}".`, 'model_not_found', 'model'); // prettier-ignore
  }
}

const now = () => Math.floor(Date.now() / 1000);

async function read<S extends z.ZodType>(c: Context, schema: S): Promise<z.infer<S>> {
  const body: unknown = await c.req.json().catch(() => {
    throw new Refused(400, 'The body is not JSON.');
  });
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues;
  const param = path.map(String).join('.');
  throw new Refused(400, param ? `"${param}" is not valid: ${message}.` : `${message}.`, null, param || null);
}

/** The prompts of a completion: each a text or token ids. */
function promptsOf({ prompt }: CompletionRequest): (string | number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as (string | number[])[]);
}

/** Without a seed every request draws anew. */
const wantedOf = ({ n, temperature, top_p, seed, stop }: CompletionRequest | ChatRequest): Pick<Wanted, 'n' | 'temperature' | 'topP' | 'seed' | 'stop'> => ({ n, temperature, topP: top_p, seed: seed ?? (temperature === 0 ? 0 : randomInt(2 ** 32)), stop }); // prettier-ignore

function usageOf(answers: Answer[], n: number) {
  const prompt_tokens = answers.reduce((total, { promptTokens }) => total + promptTokens, 0) / n;
  const completion_tokens = answers.reduce((total, { answerTokens }) => total + answerTokens, 0);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

/** The answer as server-sent events. They come when the answer is complete: the engine decodes whole batches. */
const stream = (c: Context, chunks: object[]) =>
  streamSSE(c, async (events) => {
    for (const chunk of chunks) await events.writeSSE({ data: JSON.stringify(chunk) });
    await events.writeSSE({ data: '[DONE]' });
  });

function refuse(c: Context, { status, message, code, param }: Refused) {
  const type = status < 500 ? 'invalid_request_error' : 'server_error';
  return c.json({ error: { message, type, param, code } }, status);
}
