/** Client for OpenAI-compatible servers (vLLM, llama.cpp, API providers, `selm serve`), with rate limits and retries. */
import { setMaxListeners } from 'node:events';
import OpenAI from 'openai';
import pRetry from 'p-retry';
import { z } from 'zod';
import { jsonOf } from '../../data/json.ts';
import type { Message } from '../../data/records.ts';
import type { Secret } from '../../data/secret.ts';
import { unlessAborted } from './abort.ts';
import { UnreadableResponse } from '../errors.ts';
import type { ChatBody } from '../schema/chat.ts';
import { chatAnswerOf, readableChat, type ChatAnswer } from './chat-answer.ts';
import { ChatForm } from './chat-form.ts';
import { explain, isTemporary, LONGEST_WAIT, retryAfter } from './explain.ts';
import { fetchWhole } from './fetch.ts';
import { readKey, type Key } from './key.ts';
import { limiterOf, type RateLimiter } from './rate-limiter.ts';
import { requestSchema, type ServerSettings } from './settings.ts';

interface ChatOptions {
  /** 0 is greedy. */
  temperature: number;
  maxTokens: number;
  /** Further fields of the request's body. */
  extraBody?: Record<string, unknown>;
  signal?: AbortSignal;
}

interface Request {
  path: string;
  body(): object;
  /** Changes the body to a form that the server may accept, given its error. @returns false if there is no such form */
  adaptTo(error: unknown): boolean;
}

const anything: z.ZodType = z.unknown();

// Disables the library's timeout, which would include the time that a request waits in the queue.
const NO_TIMEOUT = 2 ** 31 - 1;

/** 0.3 to 0.6 s before the first retry, doubled for each further one. The random factor spreads requests that failed together. */
const BACKOFF = { minTimeout: 300, maxTimeout: 8000, randomize: true };

/**
 * Client for one model on an OpenAI-compatible server.
 * @example
 * const client = new OpenAiClient({ url: 'http://127.0.0.1:8000/v1', model: 'judge' });
 * const { text } = await client.chat([{ role: 'user', content: 'Which is better?' }], { temperature: 0, maxTokens: 256 });
 */
export class OpenAiClient {
  readonly url: string;
  readonly model: string;
  private readonly key: Key;
  private readonly limiter: RateLimiter;
  private readonly retries: number;
  private readonly client: OpenAI;

  /**
   * @param key of a server that this process has started. Default: the key in the environment
   * @throws InputError when `keyVariable` names an environment variable that is not set
   */
  constructor({ url, model, ...settings }: ServerSettings, key?: Secret) {
    const { keyVariable, timeoutSeconds, retries, ...limits } = requestSchema.parse(settings);
    this.url = url.replace(/\/+$/, '');
    this.model = model;
    this.key = key ? { variable: 'VLLM_API_KEY', secret: key } : readKey(keyVariable);
    this.limiter = limiterOf(this.url, limits);
    this.retries = retries;
    this.client = new OpenAI({
      baseURL: this.url,
      apiKey: this.key.secret?.reveal() ?? 'none',
      ...(!this.key.secret && { defaultHeaders: { authorization: null } }),
      // By default the library reads these options from the environment. Only the key is read from there.
      organization: null,
      project: null,
      webhookSecret: null,
      logLevel: 'off',
      maxRetries: 0,
      timeout: NO_TIMEOUT,
      fetch: fetchWhole(timeoutSeconds, this.key.secret),
    });
  }

  /**
   * Requests the response to a conversation. If the server rejects a parameter, the request is sent again without it or with another
   * one (chat-form.ts).
   * @throws the errors of `post`
   */
  async chat(messages: Message[], { temperature, maxTokens, extraBody, signal }: ChatOptions): Promise<ChatAnswer> {
    const form = new ChatForm(this.url, { model: this.model, messages, temperature, maxTokens });
    const request: Request = {
      path: '/chat/completions',
      body: (): ChatBody => ({ ...form.body(), ...extraBody }),
      adaptTo: (error) => form.adaptTo(error),
    };
    const answer = chatAnswerOf(await this.send(request, readableChat, signal));
    form.remember();
    return { ...answer, ...(!form.sendsTemperature && { withoutTemperature: true }) };
  }

  /**
   * Posts a body as JSON.
   * @param path below the server's address: `/completions`, `/load_lora_adapter`, …
   * @param schema schema of the response. The request is retried if the response does not match. A response that is not JSON is
   *   validated as a string.
   * @throws InputError when the settings are wrong, RequestRefused when the server rejects this request, ServerFailed when all
   *   attempts failed, and the signal's reason as soon as the signal is aborted
   */
  async post<T = unknown>(
    path: string,
    body: object,
    signal?: AbortSignal,
    schema: z.ZodType<T> = anything as z.ZodType<T>,
  ): Promise<T> {
    return this.send({ path, body: () => body, adaptTo: () => false }, schema, signal);
  }

  private async send<T>(request: Request, schema: z.ZodType<T>, signal = new AbortController().signal): Promise<T> {
    signal.throwIfAborted();
    // Many requests share one signal; Node.js would warn about a listener leak.
    setMaxListeners(0, signal);
    return unlessAborted(this.answerTo(request, signal, schema), signal);
  }

  private async answerTo<T>(request: Request, signal: AbortSignal, schema: z.ZodType<T>): Promise<T> {
    let attempts = 0;
    const attempt = () => {
      attempts++;
      return this.attempt(request.path, request.body(), signal, schema);
    };
    const attemptInAnyForm = async (): Promise<T> => {
      for (;;) {
        try {
          return await this.limiter.run(attempt, signal);
        } catch (error) {
          if (signal.aborted || !request.adaptTo(error)) throw error;
        }
      }
    };
    try {
      return await pRetry(attemptInAnyForm, {
        ...BACKOFF,
        retries: this.retries,
        signal,
        shouldRetry: ({ error, attemptNumber }) =>
          attemptNumber <= this.retries && isTemporary(error) && (retryAfter(error) ?? 0) <= LONGEST_WAIT,
        // After a Retry-After header no backoff is added: the limiter already delays all requests to the server.
        shouldConsumeRetry: ({ error }) => retryAfter(error) === undefined,
      });
    } catch (error) {
      signal.throwIfAborted();
      const { url, model, key } = this;
      throw explain(error, { url, path: request.path, model, key, attempts });
    }
  }

  private async attempt<T>(path: string, body: object, signal: AbortSignal, schema: z.ZodType<T>): Promise<T> {
    const request = this.client.post(path, { body, signal }).asResponse();
    const response = await request.catch((error: unknown) => {
      const pause = retryAfter(error);
      // Before this request leaves the queue, so that the next request waits as well.
      if (pause !== undefined && pause <= LONGEST_WAIT) this.limiter.delay(pause);
      throw error;
    });
    const text = await response.text();
    const { success, data: answer } = schema.safeParse(jsonOf(text) ?? text);
    if (!success) throw new UnreadableResponse(`a response that could not be parsed: ${text}`);
    return answer;
  }
}
