/** Answers sampled by an OpenAI-compatible server: token ids in, token ids out, a request and a seed for each answer. */
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { toolsOf } from '../../data/tools.ts';
import type { PromptRecord, Response } from '../../data/records.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import type { ModelTokenizer } from '../../engine/tokenizer/tokenizer.ts';
import { seedOf } from '../../data/random.ts';
import type { SamplingSettings } from '../../engine/protocol/settings.ts';
import type { ChatServer } from './client.ts';
import { NotThere, RequestRefused } from './errors.ts';

/** A prompt, and its tokens as the policy's own tokenizer and template have them. */
export interface TokenizedPrompt extends Pick<PromptRecord, 'id' | 'prompt' | 'tools'> {
  tokens: number[];
}

export interface SampledByServer {
  /** In the order of the prompts. */
  responses: Response[][];
  sampledTokens: number;
}

/** A policy as a server has it. */
export interface ServedPolicy {
  /** Asked for the model of the policy's name. */
  server: ChatServer;
  tokenizer: ModelTokenizer;
  /** Of an adapter: has the server load it, unless it has. */
  load?: () => Promise<void>;
}

const tokenIds = z.array(z.int().nonnegative());

/** What of a completion says which tokens the answer has, in the forms that servers give. */
const completionSchema = z.object({
  choices: z
    .array(
      z.object({
        text: z.string(),
        finish_reason: z.string().nullish(),
        /** vLLM's and `selm serve`'s, for `return_token_ids`. */
        token_ids: tokenIds.nullish(),
        logprobs: z
          .object({
            tokens: z.array(z.string()).nullish(),
            token_logprobs: z.array(z.number().nullable()).nullish(),
            /** llama.cpp's. */
            content: z.array(z.object({ id: z.int().nonnegative(), logprob: z.number() })).nullish(),
          })
          .nullish()
          .catch(undefined),
      }),
    )
    .length(1),
  usage: z.object({ prompt_tokens: z.int() }).nullish(),
});
type Choice = z.infer<typeof completionSchema>['choices'][number];

/**
 * Samples `samplesPerPrompt` answers to each prompt. What a sample is drawn with depends on (seed, prompt id, sample index) alone.
 * @throws InputError when the server reads the prompts otherwise than the policy's tokenizer
 */
export async function sampleFromServer(
  { server, tokenizer, load }: ServedPolicy,
  prompts: TokenizedPrompt[],
  settings: SamplingSettings,
  seed: number,
  { signal, onProgress }: CallOptions,
): Promise<SampledByServer> {
  const failed = new AbortController();
  const stop = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  let loading: Promise<void> | undefined;
  /** One for all that find it gone. */
  const loadAgain = () => (loading ??= load!().finally(() => (loading = undefined)));

  const ask = async (prompt: TokenizedPrompt, sample: number): Promise<Response> => {
    const body = requestOf(server.model, prompt.tokens, settings, seedOf(seed, prompt.id, sample), tokenizer.eosIds);
    const post = () => server.post('/completions', body, stop, completionSchema);
    const { choices, usage } = await post().catch(async (error: unknown) => {
      if (error instanceof RequestRefused)
        throw new InputError(`Prompt "${prompt.id}": ${error.message}; ${adviceOn(error)}.`);
      // Somebody unloaded it, or the server began anew.
      if (!(error instanceof NotThere) || !load) throw error;
      await loadAgain();
      return post();
    });
    checkPromptTokens(server.url, prompt, usage?.prompt_tokens);
    return responseOf(choices[0], prompt, tokenizer);
  };

  let [done, tokens] = [0, 0];
  const answer = async (prompt: TokenizedPrompt): Promise<Response[]> => {
    const samples = Array.from({ length: settings.samplesPerPrompt }, (_, sample) => ask(prompt, sample));
    const responses = await Promise.all(samples);
    tokens += responses.reduce((total, { token_ids }) => total + token_ids.length, 0);
    onProgress?.({ done: ++done, total: prompts.length, unit: 'prompts', tokens });
    return responses;
  };
  try {
    await load?.();
    return { responses: await Promise.all(prompts.map(answer)), sampledTokens: tokens };
  } catch (error) {
    failed.abort(error);
    throw error;
  }
}

const adviceOn = ({ isTooLong }: RequestRefused): string =>
  isTooLong
    ? 'lower sample.maxNewTokens, or serve the model with a longer context (vLLM: --max-model-len)'
    : 'sample.server needs a server that takes prompts of token ids, such as vLLM, llama.cpp or `selm serve`';

/** Every setting is told: what a request leaves out, servers take from the model's generation_config.json or have their own for. */
const requestOf = (
  model: string,
  prompt: number[],
  { temperature, topP, topK, maxNewTokens }: SamplingSettings,
  seed: number,
  eosIds: number[],
) => ({
  model,
  prompt,
  max_tokens: maxNewTokens,
  temperature,
  top_p: topP,
  top_k: topK === 0 ? -1 : topK,
  min_p: 0,
  repetition_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  seed,
  stop_token_ids: eosIds,
  logprobs: 1,
  return_token_ids: true,
  return_tokens_as_token_ids: true,
});

function checkPromptTokens(url: string, { id, tokens }: TokenizedPrompt, told: number | undefined): void {
  if (told === undefined || told === tokens.length) return;
  throw new InputError(
    `${url} counts ${told} tokens in prompt "${id}", but the model's tokenizer counts ${tokens.length}; serve the run's model, and add no tokens to prompts.`,
  );
}

/** An answer as the engine gives it: with the token that ends it, where one does. */
function responseOf(choice: Choice, asked: TokenizedPrompt, tokenizer: ModelTokenizer): Response {
  const { prompt, tokens } = asked;
  const { text, finish_reason } = choice;
  if (finish_reason !== 'stop' && finish_reason !== 'length') {
    throw new Error(`The server ended an answer early (finish_reason: ${finish_reason ?? 'none'}).`);
  }
  const found = tokensOf(choice);
  if (!found || (found.ids.length === 0 && text !== '')) {
    // It goes on from the prompt as it was sent: the template, which may trim an answer or leave out its thought, has no part in it.
    const { responses } = tokenizer.encodeExchange(prompt, [text], { tools: toolsOf(asked), open: true });
    const ending = finish_reason === 'stop' ? [tokenizer.eosIds[0]] : [];
    return { text, token_ids: [...responses[0], ...ending], finish_reason };
  }
  const { ids, logps } = found;
  const ends = finish_reason === 'stop' && !tokenizer.eosIds.includes(ids.at(-1)!);
  const isScored = !ends && logps?.length === ids.length;
  return {
    text: tokenizer.decodeAnswer(tokens, ids),
    token_ids: ends ? [...ids, tokenizer.eosIds[0]] : ids,
    finish_reason,
    ...(isScored && { logp: logps.reduce((sum, logp) => sum + logp, 0) }),
  };
}

/** The tokens that were sampled, where the server tells them, with their log-probabilities where it tells these. */
function tokensOf({ token_ids, logprobs }: Choice): { ids: number[]; logps?: number[] } | undefined {
  if (logprobs?.content) {
    return { ids: logprobs.content.map(({ id }) => id), logps: logprobs.content.map(({ logprob }) => logprob) };
  }
  const logps = logprobs?.token_logprobs?.filter((logp) => logp !== null);
  const named = logprobs?.tokens?.map((token) => /^token_id:(\d+)$/.exec(token)?.[1]);
  const ids = token_ids ?? (named?.every((id) => id !== undefined) ? named.map(Number) : undefined);
  return ids && { ids, ...(logps && { logps }) };
}
