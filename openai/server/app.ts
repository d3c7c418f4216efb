/** A policy behind the OpenAI API: models, completions, chat completions. */
import { randomInt, randomUUID } from 'node:crypto';
import { Hono, type Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { checkDepth } from '../../data/json.ts';
import { checkHost, checkKey, checkOrigin, limitBody, type Access } from './access.ts';
import type { Answer, Answers, Piece, Scored, Wanted } from './answers.ts';
import { sendEvents } from './events.ts';
import { chatLogprobs, completionLogprobs, tokenNames } from './logprobs.ts';
import type { Models } from './models.ts';
import { Refused } from './refused.ts';
import {
  chatRequest,
  completionRequest,
  loadRequest,
  parseRequest,
  unloadRequest,
  type ChatRequest,
  type CompletionRequest,
} from './requests.ts';

/** Longest answer of a chat that sets no limit. */
const CHAT_TOKENS = 512;

/** @returns the application; `app.fetch` serves it */
export function endpoint(models: Models, access: Access = {}): Hono {
  const app = new Hono();

  app.use(checkHost(access), checkOrigin);
  app.use('/v1/*', checkKey(access), limitBody);

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
    const prompts = await answers.encodeTexts(promptsOf(request));
    const { echo, logprobs: count, n } = request;
    const wanted = { ...wantedOf(c, request), maxTokens: request.max_tokens, echo, scored: typeof count === 'number' };
    const names = tokenNames(answers, request.return_tokens_as_token_ids);
    const logprobsOf = (scored: Scored, start = 0) =>
      typeof count === 'number' ? completionLogprobs(scored, count, answers, names, start) : null;
    const head = { id: `cmpl-${randomUUID()}`, object: 'text_completion', created: now(), model: request.model };
    const promptOf = (index: number) => prompts[Math.floor(index / n)];
    if (request.stream) {
      const lengths: number[] = [];
      const isFirst = (index: number) => lengths[index] === undefined;
      const chunk = (piece: Piece) => {
        const { index, text, tokens, finishReason } = piece;
        const isEcho = echo && isFirst(index);
        const ids = request.return_token_ids && {
          ...(isFirst(index) && { prompt_token_ids: promptOf(index) }),
          token_ids: isEcho ? [] : tokens,
        };
        const logprobs = logprobsOf(piece, lengths[index]);
        lengths[index] = (lengths[index] ?? 0) + text.length;
        return [{ index, text, ...ids, logprobs, finish_reason: finishReason ?? null }];
      };
      return stream(c, answers.to.bind(answers, prompts, wanted), request, head, chunk);
    }
    const found = await answers.to(prompts, wanted);
    const choices = found.map((answer, index) => ({
      index,
      text: answer.text,
      ...(request.return_token_ids && tokenIdsOf(answer, promptOf(index))),
      logprobs: logprobsOf(answer),
      finish_reason: answer.finishReason,
    }));
    return c.json({ ...head, choices, usage: usageOf(found, n) });
  });

  app.post('/v1/chat/completions', async (c) => {
    const request = await read(c, chatRequest);
    const answers = answersOf(models, request);
    const prompt = answers.encodeChat(request.messages);
    const maxTokens =
      request.max_completion_tokens ?? request.max_tokens ?? Math.min(CHAT_TOKENS, answers.room(prompt));
    const wanted = { ...wantedOf(c, request), maxTokens, echo: false, scored: request.logprobs };
    const names = tokenNames(answers, request.return_tokens_as_token_ids);
    const logprobsOf = (scored: Scored) =>
      request.logprobs ? chatLogprobs(scored, request.top_logprobs, answers, names) : null;
    const head = { id: `chatcmpl-${randomUUID()}`, created: now(), model: request.model };
    if (request.stream) {
      const begun = new Set<number>();
      const chunk = (piece: Piece) => {
        const { index, text, tokens, finishReason } = piece;
        const ids = request.return_token_ids && { token_ids: tokens };
        const content = { index, delta: { content: text }, logprobs: logprobsOf(piece), ...ids, finish_reason: null };
        const first = {
          index,
          delta: { role: 'assistant', content: '' },
          logprobs: null,
          ...(ids && { prompt_token_ids: prompt }),
          finish_reason: null,
        };
        const last = { index, delta: {}, logprobs: null, finish_reason: finishReason };
        const isFirst = begun.size < begun.add(index).size;
        return [...(isFirst ? [first] : []), content, ...(finishReason ? [last] : [])];
      };
      return stream(
        c,
        answers.to.bind(answers, [prompt], wanted),
        request,
        { ...head, object: 'chat.completion.chunk' },
        chunk,
      );
    }
    const found = await answers.to([prompt], wanted);
    const choices = found.map((answer, index) => ({
      index,
      message: { role: 'assistant', content: answer.text, refusal: null },
      ...(request.return_token_ids && tokenIdsOf(answer, prompt)),
      logprobs: logprobsOf(answer),
      finish_reason: answer.finishReason,
    }));
    return c.json({ ...head, object: 'chat.completion', choices, usage: usageOf(found, request.n) });
  });

  app.notFound((c) => refuse(c, new Refused(404, `There is no ${c.req.method} ${c.req.path}.`)));
  app.onError((error, c) => refuse(c, refusalOf(error)));
  return app;
}

/** The client closed the connection: nobody reads the response. */
class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

function refusalOf(error: Error): Refused {
  if (error instanceof Refused) return error;
  if (error instanceof InputError) return new Refused(400, error.message);
  if (error instanceof HTTPException) return new Refused(error.status, error.message);
  if (error instanceof ClientGone) return new Refused(400, 'The client closed the connection.');
  console.error(`selm: ${error.message}`);
  return new Refused(500, 'The engine failed; try again.');
}

const now = () => Math.floor(Date.now() / 1000);

async function read<S extends z.ZodType>(c: Context, schema: S): Promise<z.infer<S>> {
  const body: unknown = await c.req.json().catch(() => {
    throw new Refused(400, 'The body is not JSON.');
  });
  checkDepth(body, 'The body');
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
  throw new Refused(
    400,
    `Unsupported value: 'stop_token_ids' does not support ${other} with this model. Only its end-of-turn tokens are supported; use stop.`,
    'unsupported_value',
    'stop_token_ids',
  );
}

/** Without a seed every request draws anew. */
function wantedOf(
  c: Context,
  { n, temperature, top_p, top_k, seed, stop }: Request,
): Omit<Wanted, 'maxTokens' | 'echo' | 'scored'> {
  const gone = new AbortController();
  const abort = () => gone.abort(new ClientGone());
  const { signal } = c.req.raw;
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  return {
    n,
    temperature,
    topP: top_p,
    topK: top_k,
    seed: seed ?? (temperature === 0 ? 0 : randomInt(2 ** 32)),
    stop,
    signal: gone.signal,
  };
}

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

/** The answers as server-sent events, a piece of an answer at a time. */
function stream(
  c: Context,
  answer: (onPiece: (piece: Piece) => void) => Promise<Answer[]>,
  request: Request,
  head: object,
  choicesOf: (piece: Piece) => object[],
): Promise<Response> {
  const { includeUsage } = request.stream_options;
  const make = async (send: (event: object) => void) => {
    const found = await answer((piece) => {
      const isEmpty = piece.text === '' && !piece.finishReason && !piece.scores && !request.return_token_ids;
      for (const choice of isEmpty ? [] : choicesOf(piece))
        send({ ...head, choices: [choice], ...(includeUsage && { usage: null }) });
    });
    if (includeUsage) send({ ...head, choices: [], usage: usageOf(found, request.n) });
  };
  return sendEvents(c, make, (error) => errorBody(refusalOf(error)));
}

const refuse = (c: Context, refused: Refused) => c.json(errorBody(refused), refused.status);

const errorBody = ({ status, message, code, param }: Refused) => ({
  error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param, code },
});
