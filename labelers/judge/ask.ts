/** Who is asked to judge: a model behind an OpenAI-compatible server, or one on the engine. */
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../data/errors.ts';
import type { Message } from '../../data/records.ts';
import type { CallOptions, Engine } from '../../engine/jobs.ts';
import { checkSequenceLength, readModelConfig } from '../../engine/model/config.ts';
import { loadTokenizer } from '../../engine/model/tokenizer.ts';
import { samplingSchema } from '../../engine/settings.ts';
import { ChatServer, type ChatAnswer } from '../../openai/client.ts';
import { RequestRefused } from '../../openai/errors.ts';
import type { ServerSettings } from '../../openai/settings.ts';
import type { AnswerCache } from './cache.ts';

export type Answer = Pick<ChatAnswer, 'text' | 'usage'>;

/**
 * Asks all, and returns the answers in order; none to what the judge does not take, for its length mostly.
 * @throws InputError when the judge takes nothing of all that
 */
export type Ask = (requests: Message[][], options: CallOptions) => Promise<(Answer | undefined)[]>;

export interface Judging {
  maxTokens: number;
  temperature: number;
}

export function askServer(settings: ServerSettings, { maxTokens, temperature }: Judging, cache: AnswerCache): Ask {
  const { url, model } = settings;
  // What is known already is found without a server, and without its key.
  let server: ChatServer | undefined;
  return async (requests, { signal, onProgress }) => {
    const failed = new AbortController();
    const ended = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
    let [done, tokens] = [0, 0];
    let refused: RequestRefused | undefined;
    const ask = async (messages: Message[]): Promise<Answer | undefined> => {
      try {
        const request = { url, model, messages, temperature, maxTokens };
        const answer = await cache.answer(request, () => {
          server ??= new ChatServer(settings);
          return server.chat(messages, { temperature, maxTokens, signal: ended });
        });
        tokens += answer.usage.promptTokens + answer.usage.completionTokens;
        return answer;
      } catch (error) {
        if (error instanceof RequestRefused) {
          refused = error;
          return undefined;
        }
        // The others need not be asked: all is tried again, and what is answered by then is in the cache.
        failed.abort(error);
        throw error;
      } finally {
        onProgress?.({ done: ++done, total: requests.length, unit: 'answers', tokens });
      }
    };
    const asked = requests.map(ask);
    // What was answered before a failure is kept before the failure is told.
    await Promise.allSettled(asked);
    failed.signal.throwIfAborted();
    const answers = await Promise.all(asked);
    if (refused && answers.every((answer) => answer === undefined)) throw noneTaken(refused.message);
    return answers;
  };
}

/** @param folder of the model, found at the first call */
export function askEngine(engine: Engine, folder: () => Promise<string>, maxTokens: number, threads: number): Ask {
  return async (requests, options) => {
    const model = await folder();
    const [tokenizer, config] = [loadTokenizer(model), readModelConfig(model)];
    const prompts: number[][] = [];
    for (const messages of requests) {
      prompts.push(tokenizer.encodePrompt(messages));
      // Many long ones take a while: the worker must get to its heartbeats.
      await setImmediate();
      options.signal?.throwIfAborted();
    }
    const reasons = prompts.map(({ length }) => problemOf(() => checkSequenceLength(config, length + maxTokens)));
    const taken = prompts.filter((_, i) => reasons[i] === undefined);
    if (taken.length === 0 && prompts.length > 0) throw noneTaken(`${model}: ${reasons[0]}`);
    const { responses } = await engine.run(
      'sample',
      {
        policy: { model },
        prompts: taken.map((ids, i) => ({ id: String(i), prompt_input_ids: ids })),
        settings: samplingSchema.parse({ maxNewTokens: maxTokens }),
        // Greedy answers draw nothing.
        seed: 0,
        threads,
      },
      options,
    );
    let next = 0;
    return prompts.map(({ length }, i) => {
      if (reasons[i] !== undefined) return undefined;
      const [{ text, token_ids }] = responses[next++];
      return { text, usage: { promptTokens: length, completionTokens: token_ids.length } };
    });
  };
}

function problemOf(check: () => void): string | undefined {
  try {
    check();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return undefined;
}

const noneTaken = (reason: string) => new InputError(`The judge takes none of its prompts: ${reason.replace(/\.$/, '')}; shorten label.template or label.maxTokens, or ask another model.`); // prettier-ignore
