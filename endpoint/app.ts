/** A policy behind the OpenAI API: models, completions, chat completions. */
import { randomInt, randomUUID } from 'node:crypto';
import { Hono, type Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { streamSSE } from 'hono/streaming';
import type { z } from 'zod';
import { InputError } from '../data/errors.ts';
import type { Answer, Answers, Wanted } from './answers.ts';
import { chatLogprobs, completionLogprobs } from './logprobs.ts';
import type { Models } from './models.ts';
import { Refused } from './refused.ts';
import { chatRequest, completionRequest, loadRequest, parseRequest, unloadRequest, type ChatRequest, type CompletionRequest } from './requests.ts'; // prettier-ignore

/** Longest answer of a chat that sets no limit. */
const CHAT_TOKENS = 512;

/** @returns the application; `app.fetch` serves it */
export function endpoint(models: Models): Hono {
  const app = new Hono();

  app.get('/health', (c) => c.json({ status: 'ok' }));
  app.get('/v1/models', (c) => c.json({ object: 'list', data: models.list() }));
  app.get('/v1/models/:id{.+}', (c) => c.json(models.card(c.req.param('id'))));

  // As vLLM has them, its texts instead of JSON included.
  app.post('/v1/load_lora_adapter', async (c) => {
    const request = await read(c, loadRequest);
    await models.load(request);
    return c.text(`Success: LoRA adapter '${request.lora_name}' added successfully.`);
  });
  app.post('/v1/unload_lora_adapter', async (c) => {
    const { lora_name: name } = await read(c, unloadRequest);
    models.unload(name);
    return c.text(`Success: LoRA adapter '${name}' removed successfully.`);
  });

  app.post('/v1/completions', async (c) => {
    const request = await read(c, completionRequest);
    const answers = answersOf(models, request);
    const prompts = promptsOf(request).map((prompt) => (typeof prompt === 'string' ? answers.encodeText(prompt) : prompt)); // prettier-ignore
    const { echo, logprobs } = request;
    const wanted = { ...wantedOf(request), maxTokens: request.max_tokens, echo, scored: typeof logprobs === 'number' };
    const found = (await answers.to(prompts, wanted)).flat();
    const choices = found.map((answer, index) => ({
      index,
      text: answer.text,
      ...(request.return_token_ids && tokenIdsOf(answer, prompts[Math.floor(index / request.n)])),
      logprobs: typeof logprobs === 'number' ? completionLogprobs(answer, logprobs, textsOf(answers, request)) : null,
      finish_reason: answer.finishReason,
    }));
    const head = { id: `cmpl-${randomUUID()}`, object: 'text_completion', created: now(), model: request.model };
    const usage = usageOf(found, request.n);
    if (request.stream) return stream(c, request, head, choices, usage);
    return c.json({ ...head, choices, usage });
  });

  app.post('/v1/chat/completions', async (c) => {
    const request = await read(c, chatRequest);
    const answers = answersOf(models, request);
    const prompt = answers.encodeChat(request.messages);
    const maxTokens = request.max_completion_tokens ?? request.max_tokens ?? Math.min(CHAT_TOKENS, answers.room(prompt)); // prettier-ignore
    const wanted = { ...wantedOf(request), maxTokens, echo: false, scored: request.logprobs };
    const [found] = await answers.to([prompt], wanted);
    const choices = found.map((answer, index) => ({
      index,
      message: { role: 'assistant', content: answer.text, refusal: null },
      ...(request.return_token_ids && tokenIdsOf(answer, prompt)),
      logprobs: request.logprobs ? chatLogprobs(answer, request.top_logprobs, textsOf(answers, request)) : null,
      finish_reason: answer.finishReason,
    }));
    const head = { id: `chatcmpl-${randomUUID()}`, created: now(), model: request.model };
    const usage = usageOf(found, request.n);
    if (request.stream) {
      const chunks = choices.flatMap(({ index, message, logprobs, finish_reason }) => [
        { index, delta: { role: 'assistant', content: message.content }, logprobs, finish_reason: null },
        { index, delta: {}, logprobs: null, finish_reason },
      ]);
      return stream(c, request, { ...head, object: 'chat.completion.chunk' }, chunks, usage);
    }
    return c.json({ ...head, object: 'chat.completion', choices, usage });
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
}

const now = () => Math.floor(Date.now() / 1000);

async function read<S extends z.ZodType>(c: Context, schema: S): Promise<z.infer<S>> {
  const body: unknown = await c.req.json().catch(() => {
    throw new Refused(400, 'The body is not JSON.');
  });
  return parseRequest(body, schema);
}

/** The prompts of a completion: each a text or token ids. */
function promptsOf({ prompt }: CompletionRequest): (string | number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as (string | number[])[]);
}

type Request = CompletionRequest | ChatRequest;

/** @throws Refused when there is no such model, or its answers do not end where the request has them end */
function answersOf(models: Models, { model, stop_token_ids: ids }: Request): Answers {
  const answers = models.answers(model);
  const other = ids.find((id) => !answers.endsWith(id));
  if (other === undefined) return answers;
  throw new Refused(400, `Unsupported value: 'stop_token_ids' does not support ${other} with this model. Only its end-of-turn tokens are supported; use stop.`, 'unsupported_value', 'stop_token_ids'); // prettier-ignore
}

/** What tokens are called in log-probabilities: by their text, or as vLLM has it by their id. */
const textsOf = (answers: Answers, { return_tokens_as_token_ids: asIds }: Request) =>
  asIds ? ([id]: number[]) => `token_id:${id}` : answers.decode;

/** Without a seed every request draws anew. */
const wantedOf = ({ n, temperature, top_p, top_k, seed, stop }: Request): Pick<Wanted, 'n' | 'temperature' | 'topP' | 'topK' | 'seed' | 'stop'> => ({ n, temperature, topP: top_p, topK: top_k, seed: seed ?? (temperature === 0 ? 0 : randomInt(2 ** 32)), stop }); // prettier-ignore

/** An answer's own tokens, its end-of-turn token included, and its prompt's, as vLLM gives them. */
const tokenIdsOf = ({ tokens, answerTokens }: Answer, prompt: number[]) => ({
  prompt_token_ids: prompt,
  token_ids: tokens.slice(tokens.length - answerTokens),
});

function usageOf(answers: Answer[], n: number) {
  const prompt_tokens = answers.reduce((total, { promptTokens }) => total + promptTokens, 0) / n;
  const completion_tokens = answers.reduce((total, { answerTokens }) => total + answerTokens, 0);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

/** The answer as server-sent events. They come when the answer is complete: the engine decodes whole batches. */
function stream(c: Context, request: Request, head: object, choices: object[], usage: object) {
  const { includeUsage } = request.stream_options;
  const chunks: object[] = choices.map((choice) => ({ ...head, choices: [choice], ...(includeUsage && { usage: null }) })); // prettier-ignore
  if (includeUsage) chunks.push({ ...head, choices: [], usage });
  return streamSSE(c, async (events) => {
    for (const chunk of chunks) await events.writeSSE({ data: JSON.stringify(chunk) });
    await events.writeSSE({ data: '[DONE]' });
  });
}

function refuse(c: Context, { status, message, code, param }: Refused) {
  const type = status < 500 ? 'invalid_request_error' : 'server_error';
  return c.json({ error: { message, type, param, code } }, status);
}
