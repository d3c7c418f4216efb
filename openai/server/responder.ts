/** Computes responses of a policy: from the prompts' token ids to texts and log-probabilities. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { InputError } from '../../data/errors.ts';
import { checkSequenceLength, contextLength } from '../../engine/model-files/config.ts';
import { openLlamaPolicy, type LlamaPolicy } from '../../engine/tokens/policy.ts';
import type { NewTokens, Policy, TokenScores } from '../../engine/protocol/jobs.ts';
import type { Message } from '../../data/records.ts';
import { BatchedPolicy } from './batches.ts';
import { SampledText } from './sampled-text.ts';
import { checkIds } from '../../engine/tokens/checks.ts';

/** Settings of a request. */
export interface ResponseSettings {
  maxTokens: number;
  /** Responses per prompt. */
  n: number;
  temperature: number;
  topP: number;
  /** 0 means all tokens. */
  topK: number;
  seed: number;
  stop: string[];
  /** Whether to return the prompt at the beginning of the response. */
  echo: boolean;
  /** Whether to compute log-probabilities. */
  scored: boolean;
  /** Aborted when the client has closed the connection. */
  signal: AbortSignal;
}

/** A part of a response, or all of it. */
export interface ScoredTokens {
  text: string;
  tokens: number[];
  /** One per token; undefined for the first token of a sequence. Absent without `scored`. */
  scores?: (TokenScores | undefined)[];
}

/** A complete response. */
export interface ModelResponse extends ScoredTokens {
  finishReason: 'stop' | 'length';
  promptTokens: number;
  responseTokens: number;
}

/** The new part of a response. With `echo`, the first piece of each response is its prompt. */
export interface ResponsePiece extends ScoredTokens {
  /** Index of the response in its request. */
  index: number;
  finishReason?: 'stop' | 'length';
}

const BATCH_SIZE = 32;

/** Limits of one request. Its responses, tokens and alternative tokens are kept in memory until it is complete. */
const MOST_RESPONSES = 4096;
const MOST_SCORED_TOKENS = 2 ** 17;

/** Tokens between two progress reports if a response is not streamed. Stop texts and closed connections are detected at each report. */
const REPORT_TOKENS = 16;

/** A policy, its tokenizer, and the engine that runs it for many clients. */
export class Responder {
  private readonly opened: LlamaPolicy;
  private readonly batched: BatchedPolicy;
  private underWay: Promise<void> = Promise.resolve();

  constructor(policy: Policy, engine: ConstructorParameters<typeof BatchedPolicy>[0]) {
    this.opened = openLlamaPolicy(policy);
    this.batched = new BatchedPolicy(engine, policy);
  }

  /**
   * The token ids of prompts. Token ids in `prompts` are returned unchanged.
   * @throws InputError for a text that is longer than the model's context
   */
  async encodeTexts(prompts: (string | number[])[]): Promise<number[][]> {
    const encoded: number[][] = [];
    for (const prompt of prompts) {
      encoded.push(typeof prompt === 'string' ? this.opened.tokenizer().encodeText(prompt, this.mostTokens) : prompt);
      // Lets other requests run, because encoding texts of 2 MiB takes seconds.
      if (typeof prompt === 'string') await nextTurn();
    }
    return encoded;
  }
  /** The token ids of a conversation. @throws InputError if it is longer than the model's context */
  encodeChat = (messages: Message[]) => this.opened.tokenizer().encodePrompt(messages, undefined, this.mostTokens);
  /** Whether a token is an end-of-turn token. */
  endsWith = (id: number) => this.opened.tokenizer().eosIds.includes(id);
  decode = (ids: number[]) => this.opened.tokenizer().decode(ids);
  tokenBytes = (id: number) => this.opened.tokenizer().tokenBytes(id);

  /** Number of tokens that fit into the context after a prompt. */
  room = (prompt: number[]) => Math.max(1, this.mostTokens - prompt.length);

  /**
   * Computes `n` responses to each prompt, in order.
   * @param onPiece receives the responses token by token: during sampling, or with `scored` after the log-probabilities are computed
   * @throws InputError when a prompt does not fit the model, and the signal's reason when the signal is aborted
   */
  respond(
    prompts: number[][],
    settings: ResponseSettings,
    onPiece?: (piece: ResponsePiece) => void,
  ): Promise<ModelResponse[]> {
    const responses = this.compute(prompts, settings, onPiece);
    this.underWay = settled([this.underWay, responses]);
    return responses;
  }

  private get mostTokens(): number {
    return contextLength(this.opened.model.config);
  }

  /** Resolves when all current requests are complete. */
  settled = (): Promise<void> => this.underWay;

  private async compute(
    prompts: number[][],
    settings: ResponseSettings,
    onPiece?: (piece: ResponsePiece) => void,
  ): Promise<ModelResponse[]> {
    const { n, echo, scored, signal } = settings;
    this.check(prompts, settings);
    const echoed = prompts.flatMap((prompt) =>
      Array.from({ length: n }, () => ({ prompt, text: echo ? this.decode(prompt) : '' })),
    );
    const live = scored ? undefined : onPiece;
    if (echo) for (const [index, { prompt, text }] of echoed.entries()) live?.({ index, text, tokens: prompt });
    const sampled = await this.sample(prompts, settings, live);
    const sequences = sampled.map(({ tokens }, i) => [...echoed[i].prompt, ...tokens]);
    const scores = scored ? await this.batched.scoreTokens(sequences, signal) : [];
    return sampled.map(({ text, tokens, finishReason }, index) => {
      const { prompt, text: before } = echoed[index];
      const all = scored ? [undefined, ...scores[index]] : undefined;
      const response: ModelResponse = {
        text: before + text,
        tokens: echo ? [...prompt, ...tokens] : tokens,
        ...(all && { scores: echo ? all : all.slice(prompt.length) }),
        finishReason: finishReason ?? 'length',
        promptTokens: prompt.length,
        responseTokens: tokens.length,
      };
      if (scored && onPiece) for (const piece of this.pieces(prompt, response, settings)) onPiece({ index, ...piece });
      return response;
    });
  }

  /**
   * Checks the prompts before sampling, because one that does not fit would fail its whole batch.
   * @throws InputError when a prompt does not fit the model, or the request needs too much memory
   */
  private check(prompts: number[][], { maxTokens, n, scored }: ResponseSettings): void {
    for (const prompt of prompts) {
      if (prompt.length === 0) throw new InputError('the prompt has no tokens; give at least one.');
      checkSequenceLength(this.opened.model.config, checkIds(this.opened.model, prompt).length + maxTokens);
    }
    const responses = prompts.length * n;
    if (responses > MOST_RESPONSES)
      throw new InputError(
        `${responses} responses are more than the ${MOST_RESPONSES} of one request; send fewer prompts at a time.`,
      );
    const tokens = prompts.reduce((sum, { length }) => sum + length + maxTokens, 0) * n;
    if (scored && tokens > MOST_SCORED_TOKENS)
      throw new InputError(
        `log-probabilities of ${tokens} tokens are more than the ${MOST_SCORED_TOKENS} of one request; send fewer prompts at a time.`,
      );
  }

  private async sample(
    prompts: number[][],
    settings: ResponseSettings,
    onPiece?: (piece: ResponsePiece) => void,
  ): Promise<SampledText[]> {
    const { maxTokens, n, temperature, topP, topK, seed, stop, signal } = settings;
    const tokenizer = this.opened.tokenizer();
    const texts = prompts.map((prompt) => Array.from({ length: n }, () => new SampledText(tokenizer, prompt, stop)));
    let left = prompts.length * n;
    const complete = new AbortController();
    const unwanted = AbortSignal.any([signal, complete.signal]);
    const rows = prompts.map((prompt_input_ids, i) => {
      const ended = new AbortController();
      const onTokens = ({ sample, tokens, finishReason }: NewTokens) => {
        const text = texts[i][sample];
        if (unwanted.aborted || isComplete(text)) return;
        text.add(tokens, finishReason);
        onPiece?.({
          index: i * n + sample,
          ...text.take(),
          ...(text.finishReason && { finishReason: text.finishReason }),
        });
        if (isComplete(text)) left--;
        if (texts[i].every(isComplete)) ended.abort();
        if (left === 0) complete.abort();
      };
      const onRestart = () => texts[i].forEach((text) => text.restart());
      // A response depends on the seed and the prompt's index in the request, not on the other requests in the batch.
      return {
        id: `${seed}/${i}`,
        prompt_input_ids,
        signal: AbortSignal.any([unwanted, ended.signal]),
        onTokens,
        onRestart,
      };
    });
    if (maxTokens > 0) {
      const sampling = {
        samplesPerPrompt: n,
        temperature,
        topP,
        topK,
        maxNewTokens: maxTokens,
        batchSize: BATCH_SIZE,
        weights: 'f32' as const,
      };
      await Promise.race([
        this.batched.sample(rows, sampling, onPiece ? 1 : REPORT_TOKENS, unwanted),
        aborted(unwanted),
      ]);
      signal.throwIfAborted();
    } else
      for (const [index] of texts.flat().entries()) onPiece?.({ index, text: '', tokens: [], finishReason: 'length' });
    return texts.flat();
  }

  /** Splits a complete response into pieces of one token. */
  private *pieces(prompt: number[], { tokens, scores, finishReason }: ModelResponse, { echo, stop }: ResponseSettings) {
    const start = echo ? prompt.length : 0;
    if (echo) yield { text: this.decode(prompt), tokens: prompt, scores: scores!.slice(0, start) };
    const text = new SampledText(this.opened.tokenizer(), prompt, stop);
    for (let at = start; at < tokens.length; at++) {
      const last = at === tokens.length - 1 ? { finishReason } : {};
      text.add([tokens[at]], last.finishReason);
      yield { ...text.take(), scores: [scores![at]], ...last };
    }
    if (start === tokens.length) yield { text: '', tokens: [], scores: [], finishReason };
  }
}

const isComplete = ({ finishReason }: SampledText) => finishReason !== undefined;

async function settled(promises: Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(promises);
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  );
