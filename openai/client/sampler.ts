/** Samples responses on an OpenAI-compatible server: token ids in, token ids out, with one request and one seed per response. */
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import type { PromptRecord, Response, TemplateFields } from '../../data/records.ts';
import { templateInputs } from '../../data/template-inputs.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import type { ModelTokenizer } from '../../engine/tokenizer/tokenizer.ts';
import { seedOf } from '../../data/random.ts';
import type { SamplingSettings } from '../../engine/protocol/settings.ts';
import { RequestRefused, ServerFailed } from '../errors.ts';
import { completionChoice, type CompletionBody } from '../schema/completions.ts';
import { completionLogprobs } from '../schema/logprobs.ts';
import { usage } from '../schema/tokens.ts';
import { loadingAgain } from './adapters.ts';
import type { OpenAiClient } from './client.ts';
import { sendAll } from './send-all.ts';

/** A prompt with its token ids, encoded with the policy's tokenizer and chat template. */
export interface TokenizedPrompt extends Pick<PromptRecord, 'id' | 'prompt' | keyof TemplateFields> {
  tokens: number[];
}

/** The result of `sampleFromServer`. */
export interface SampledByServer {
  /** One list of responses per prompt, in order. */
  responses: Response[][];
  sampledTokens: number;
}

/** A policy on a server. */
interface ServedPolicy {
  /** Its `model` is the policy's name on the server. */
  client: OpenAiClient;
  tokenizer: ModelTokenizer;
  /** Loads the policy's adapter if it is not loaded. Absent for a base model. */
  load?: (signal?: AbortSignal) => Promise<void>;
}

/** The parts of a `/completions` response that the client reads: the text, and the tokens in any of the formats that servers use. */
const readableChoice = completionChoice.pick({ text: true, finish_reason: true, token_ids: true }).extend({
  logprobs: completionLogprobs.pick({ tokens: true, token_logprobs: true, content: true }).nullish().catch(undefined),
});
const readableCompletion = z.object({
  choices: z.array(readableChoice).length(1),
  usage: usage.pick({ prompt_tokens: true }).nullish(),
});
type Choice = z.infer<typeof readableChoice>;

/**
 * Samples `samplesPerPrompt` responses to each prompt. The seed of a request depends on (seed, prompt id, sample index) only.
 * @throws InputError when the server rejects a prompt, or reports another number of prompt tokens than the policy's tokenizer
 */
export async function sampleFromServer(
  { client, tokenizer, load }: ServedPolicy,
  prompts: TokenizedPrompt[],
  settings: SamplingSettings,
  seed: number,
  { signal, onProgress }: CallOptions,
): Promise<SampledByServer> {
  const loading = loadingAgain(load);

  const ask = async (prompt: TokenizedPrompt, sample: number, stop: AbortSignal): Promise<Response> => {
    const body = requestOf(client.model, prompt.tokens, settings, seedOf(seed, prompt.id, sample), tokenizer.eosIds);
    const post = () => client.post('/completions', body, stop, readableCompletion);
    const response = await loading(post, stop).catch((error: unknown) => {
      if (!(error instanceof RequestRefused)) throw error;
      throw new InputError(`Prompt "${prompt.id}": ${error.message}; ${adviceOnRefusal(error)}.`);
    });
    checkPromptTokens(client.url, prompt, response.usage?.prompt_tokens);
    return responseOf(response.choices[0], prompt, tokenizer);
  };

  let [done, tokens] = [0, 0];
  const askAll = async (prompt: TokenizedPrompt, stop: AbortSignal): Promise<Response[]> => {
    const samples = Array.from({ length: settings.samplesPerPrompt }, (_, sample) => ask(prompt, sample, stop));
    const responses = await Promise.all(samples);
    tokens += responses.reduce((total, { token_ids }) => total + token_ids.length, 0);
    onProgress?.({ done: ++done, total: prompts.length, unit: 'prompts', tokens });
    return responses;
  };
  await load?.(signal);
  const responses = await sendAll(prompts, askAll, signal);
  return { responses, sampledTokens: tokens };
}

const adviceOnRefusal = ({ isTooLong }: RequestRefused): string =>
  isTooLong
    ? 'lower sample.maxNewTokens, or serve the model with a longer context (vLLM: --max-model-len)'
    : 'a server in sample.server must take prompts of token ids, as vLLM, llama.cpp and `selm serve` do';

/** Sets every sampling parameter: servers take missing ones from the model's generation_config.json or from their own defaults. */
const requestOf = (
  model: string,
  prompt: number[],
  { temperature, topP, topK, maxNewTokens }: SamplingSettings,
  seed: number,
  eosIds: number[],
): CompletionBody => ({
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

function checkPromptTokens(url: string, { id, tokens }: TokenizedPrompt, counted: number | undefined): void {
  if (counted === undefined || counted === tokens.length) return;
  throw new InputError(
    `${url} counts ${counted} tokens in prompt "${id}", but the model's tokenizer counts ${tokens.length}; ` +
      "serve the run's model, and add no tokens to prompts.",
  );
}

/** Converts a choice to a response like the engine's: with its end-of-turn token, unless it was truncated. */
function responseOf(choice: Choice, requested: TokenizedPrompt, tokenizer: ModelTokenizer): Response {
  const { prompt, tokens } = requested;
  const { text, finish_reason } = choice;
  if (finish_reason !== 'stop' && finish_reason !== 'length') {
    throw new ServerFailed(`The server ended a response early (finish_reason: ${finish_reason ?? 'none'}).`);
  }
  const found = tokensOf(choice);
  if (!found || (found.ids.length === 0 && text !== '')) {
    // Encodes the text as a continuation of the prompt. The chat template is not used: it may trim a response or drop its thought.
    const { responses } = tokenizer.encodeExchange(prompt, [text], { ...templateInputs(requested), open: true });
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

/** The sampled tokens and their log-probabilities, if the server returns them. */
function tokensOf({ token_ids, logprobs }: Choice): { ids: number[]; logps?: number[] } | undefined {
  if (logprobs?.content) {
    return { ids: logprobs.content.map(({ id }) => id), logps: logprobs.content.map(({ logprob }) => logprob) };
  }
  const logps = logprobs?.token_logprobs?.filter((logp) => logp !== null);
  const named = logprobs?.tokens?.map((token) => /^token_id:(\d+)$/.exec(token)?.[1]);
  const ids = token_ids ?? (named?.every((id) => id !== undefined) ? named.map(Number) : undefined);
  return ids && { ids, ...(logps && { logps }) };
}
