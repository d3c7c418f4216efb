/** Client of an OpenAI-compatible server (vLLM, llama.cpp, a provider's, `selm serve`): with limits and retries. */
import { setMaxListeners } from 'node:events';
import OpenAI from 'openai';
import pRetry from 'p-retry';
import { z } from 'zod';
import { jsonOf } from '../../data/json.ts';
import type { Message } from '../../data/records.ts';
import { unlessAborted } from './abort.ts';
import { UnreadableResponse } from '../errors.ts';
import type { ChatBody } from '../schema/chat.ts';
import { chatAnswerOf, readableChat, usageOf, withUsage, type ChatAnswer, type TokenCounts } from './chat-answer.ts';
import { ChatForm } from './chat-form.ts';
import { explain, isTemporary, retryAfter } from './explain.ts';
import { fetchWhole } from './fetch.ts';
import { gateTo, type Gate } from './gate.ts';
import { readKey, type Key } from './key.ts';
import { requestSchema, type ServerSettings } from './settings.ts';

interface ChatOptions {
  /** 0 is greedy. */
  temperature: number;
  maxTokens: number;
  /** Further fields of the request's body. */
  extraBody?: Record<string, unknown>;
  signal?: AbortSignal;
}

/** Requests to a server. A request is one attempt or more; the tokens are those of answered requests. */
export interface Counters extends TokenCounts {
  requests: number;
  attempts: number;
}

interface Request {
  path: string;
  body(): object;
  /** Changes the body to a form that the server may accept after this error. @returns false if there is none */
  adaptTo(error: unknown): boolean;
}

const anything: z.ZodType = z.unknown();

// The library's own timeout, which would also count the time that a request waits for its turn.
const NO_TIMEOUT = 2 ** 31 - 1;

/** 0.3 to 0.6 s before the first retry, then twice as long each time. Random, so that requests which failed together spread out. */
const BACKOFF = { minTimeout: 300, maxTimeout: 8000, randomize: true };

/**
 * @example
 * const server = new ChatServer({ url: 'http://127.0.0.1:8000/v1', model: 'judge' });
 * const { text } = await server.chat([{ role: 'user', content: 'Which is better?' }], { temperature: 0, maxTokens: 256 });
 */
export class ChatServer {
  readonly url: string;
  readonly model: string;
  readonly counters: Counters = { requests: 0, attempts: 0, promptTokens: 0, completionTokens: 0 };
  private readonly key: Key;
  private readonly gate: Gate;
  private readonly retries: number;
  private readonly client: OpenAI;

  /** @throws InputError when `keyVariable` names an environment variable that is not set */
  constructor({ url, model, ...settings }: ServerSettings) {
    const { keyVariable, timeoutSeconds, retries, ...limits } = requestSchema.parse(settings);
    this.url = url.replace(/\/+$/, '');
    this.model = model;
    this.key = readKey(keyVariable);
    this.gate = gateTo(this.url, limits);
    this.retries = retries;
    this.client = new OpenAI({
      baseURL: this.url,
      apiKey: this.key.secret?.reveal() ?? 'none',
      ...(!this.key.secret && { defaultHeaders: { authorization: null } }),
      // Nothing but the key is read from the environment.
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
   * The response to a conversation. A request whose parameters the server does not know is sent again in another form
   * (chat-form.ts).
   * @throws as `post` does
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
   * @param schema of the response; a response that does not fit is requested again. One that is not JSON is a string.
   * @throws InputError when the settings are wrong, RequestRefused when the server rejects this request, ServerFailed when it
   *   has not answered after all retries, and the signal's reason as soon as that is aborted
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
    // One signal for any number of requests is no leak.
    setMaxListeners(0, signal);
    this.counters.requests++;
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
          return await this.gate.pass(attempt, signal);
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
        shouldRetry: ({ error, attemptNumber }) => attemptNumber <= this.retries && isTemporary(error),
        // After Retry-After there is no pause of this request's own: the gate holds all requests to the server.
        shouldConsumeRetry: ({ error }) => retryAfter(error) === undefined,
      });
    } catch (error) {
      signal.throwIfAborted();
      const { url, model, key } = this;
      throw explain(error, { url, path: request.path, model, key, attempts });
    }
  }

  private async attempt<T>(path: string, body: object, signal: AbortSignal, schema: z.ZodType<T>): Promise<T> {
    this.counters.attempts++;
    const request = this.client.post(path, { body, signal }).asResponse();
    const response = await request.catch((error: unknown) => {
      const pause = retryAfter(error);
      // While this request still holds its turn: the next one in the queue must wait, too.
      if (pause !== undefined) this.gate.close(pause);
      throw error;
    });
    const text = await response.text();
    const content = jsonOf(text) ?? text;
    const { success, data: answer } = schema.safeParse(content);
    if (!success) throw new UnreadableResponse(`a response that could not be parsed: ${text}`);
    const { promptTokens, completionTokens } = usageOf(withUsage.safeParse(content).data?.usage);
    this.counters.promptTokens += promptTokens;
    this.counters.completionTokens += completionTokens;
    return answer;
  }
}
