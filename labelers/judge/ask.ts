/** Sends requests to the judge: a model on an OpenAI-compatible server, or a model on the engine. */
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../data/errors.ts';
import type { Message } from '../../data/records.ts';
import type { CallOptions, Engine } from '../../engine/protocol/jobs.ts';
import { checkSequenceLength, readModelConfig } from '../../engine/model-files/config.ts';
import { loadTokenizer } from '../../engine/tokenizer/tokenizer.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import type { ChatAnswer } from '../../openai/client/chat-answer.ts';
import { OpenAiClient } from '../../openai/client/client.ts';
import type { AnswerCache } from '../../openai/client/response-cache.ts';
import { sendAll } from '../../openai/client/send-all.ts';
import { RequestRefused } from '../../openai/errors.ts';
import type { ServerSettings } from '../../openai/client/settings.ts';

/** The judge's answer, or the error if it rejected the request, usually because the request is too long. */
export type Reply = ChatAnswer | RequestRefused;

/** Whether the judge answered the request. */
export const isAnswer = (reply: Reply): reply is ChatAnswer => !(reply instanceof RequestRefused);

/**
 * Sends requests to the judge. @returns the replies in order
 * @throws InputError when the judge rejects all of them, and not only because they are too long
 */
export type Ask = (requests: Message[][], options: CallOptions) => Promise<Reply[]>;

/** Settings of each request to the judge. */
export interface Judging {
  maxTokens: number;
  temperature: number;
  extraBody?: Record<string, unknown>;
}

/** Asks a judge on a server. Answers are cached by request. */
export function askServer(settings: ServerSettings, judging: Judging, cache: AnswerCache): Ask {
  const { url, model } = settings;
  const { maxTokens, temperature, extraBody } = judging;
  // Created for the first request that is not cached: cached answers need neither the server nor its key.
  let client: OpenAiClient | undefined;
  return async (requests, { signal, onProgress }) => {
    let [done, tokens] = [0, 0];
    const ask = async (messages: Message[], stop: AbortSignal): Promise<Reply> => {
      try {
        const request = { url, model, messages, temperature, maxTokens, ...(extraBody && { extraBody }) };
        const answer = await cache.answer(request, () => {
          client ??= new OpenAiClient(settings);
          return client.chat(messages, { ...judging, signal: stop });
        });
        tokens += answer.usage.promptTokens + answer.usage.completionTokens;
        return answer;
      } catch (error) {
        if (error instanceof RequestRefused) return error;
        throw error;
      } finally {
        onProgress?.({ done: ++done, total: requests.length, unit: 'answers', tokens });
      }
    };
    // After a failure the whole step is retried, and takes the answers that were received from the cache.
    const replies = await sendAll(requests, ask, signal);
    checkAccepted(replies);
    return replies;
  };
}

/**
 * Asks a judge on the engine, with greedy decoding.
 * @param folder the folder of the model, resolved when the judge is asked
 */
export function askEngine(engine: Engine, folder: () => Promise<string>, maxTokens: number, threads: number): Ask {
  return async (requests, options) => {
    const model = await folder();
    const [tokenizer, config] = [loadTokenizer(model), readModelConfig(model)];
    const prompts: number[][] = [];
    for (const messages of requests) {
      prompts.push(tokenizer.encodePrompt(messages));
      // Lets the worker send heartbeats, because encoding many long prompts takes long.
      await setImmediate();
      options.signal?.throwIfAborted();
    }
    const refusals = prompts.map(({ length }) =>
      refusalOf(model, () => checkSequenceLength(config, length + maxTokens)),
    );
    checkAccepted(refusals);
    const taken = prompts.filter((_, i) => refusals[i] === undefined);
    if (taken.length === 0) return refusals as RequestRefused[];
    const { responses } = await engine.run(
      'sample',
      {
        policy: { model },
        prompts: taken.map((ids, i) => ({ id: String(i), prompt_input_ids: ids })),
        settings: samplingSchema.parse({ maxNewTokens: maxTokens }),
        // Unused: greedy decoding draws no random numbers.
        seed: 0,
        threads,
      },
      options,
    );
    let next = 0;
    return prompts.map(({ length }, i) => {
      const refusal = refusals[i];
      if (refusal) return refusal;
      const [{ text, token_ids, finish_reason }] = responses[next++];
      const usage = { promptTokens: length, completionTokens: token_ids.length };
      return { text, finishReason: finish_reason, usage };
    });
  };
}

function refusalOf(model: string, check: () => void): RequestRefused | undefined {
  try {
    check();
  } catch (error) {
    if (error instanceof InputError)
      return new RequestRefused(`${model}: ${error.message.replace(/\.$/, '')}`, {
        said: error.message,
        isTooLong: true,
      });
    throw error;
  }
  return undefined;
}

/**
 * Prompts that are too long are no reason: they may be the only ones of their shard.
 * @throws InputError when the judge rejected all requests, and at least one for another reason
 */
function checkAccepted(replies: (Reply | undefined)[]): void {
  const refusals = replies.filter((reply) => reply instanceof RequestRefused);
  const first = refusals.find(({ isTooLong }) => !isTooLong);
  if (!first || refusals.length < replies.length) return;
  throw new InputError(`The judge rejected all of its prompts: ${first.message}; ${adviceOnRefusal(first)}.`);
}

function adviceOnRefusal({
  said,
  parameter = /\b(max_(completion_)?tokens|temperature)\b/.exec(said)?.[0] ?? '',
}: RequestRefused): string {
  // OpenAI's o1-mini and Gemma's chat templates reject system messages.
  if (/\bsystem\b/i.test(said)) return 'this model takes no system message: use a template without system_prompt';
  if (/^(max_|temperature)/.test(parameter))
    return `set ${parameter === 'temperature' ? 'temperature' : 'maxTokens'} to a value that the server takes`;
  return 'correct what the server names, or use another judge';
}
