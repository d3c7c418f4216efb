/** Requests answered by a policy: tokens in, texts with their log-probabilities out. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { InputError } from '../../data/errors.ts';
import { checkSequenceLength, contextLength } from '../../engine/model-files/config.ts';
import { openPolicyFiles, type PolicyFiles } from '../../engine/tokens/policy.ts';
import type { NewTokens, Policy, TokenScores } from '../../engine/protocol/jobs.ts';
import type { Message } from '../../data/records.ts';
import { BatchedPolicy } from './batches.ts';
import { SampledText } from './sampled-text.ts';
import { checkIds } from '../../engine/tokens/checks.ts';

/** What the answers to one request have in common. */
export interface Wanted {
  maxTokens: number;
  n: number;
  temperature: number;
  topP: number;
  /** 0 is off. */
  topK: number;
  seed: number;
  stop: string[];
  /** Whether the prompt's tokens are part of the answer. */
  echo: boolean;
  /** Whether to give log-probabilities. */
  scored: boolean;
  /** Aborted when the client is gone. */
  signal: AbortSignal;
}

/** A piece of an answer, or all of it. */
export interface Scored {
  text: string;
  tokens: number[];
  /** One a token, none for the first of a sequence, which nothing comes before. Absent if not asked for. */
  scores?: (TokenScores | undefined)[];
}

/** One answer; with `echo` it begins with its prompt. */
export interface Answer extends Scored {
  finishReason: 'stop' | 'length';
  promptTokens: number;
  answerTokens: number;
}

/** What an answer has gained. With `echo` the first piece of each is its prompt. */
export interface Piece extends Scored {
  /** Number of the answer among all of the request. */
  index: number;
  finishReason?: 'stop' | 'length';
}

const BATCH_SIZE = 32;

/** Of one request. Each answer, and each token with its likeliest others, is held in memory until the request is answered. */
const MOST_ANSWERS = 4096;
const MOST_SCORED = 2 ** 17;

/** Tokens between two looks at an answer, for its stop texts and its client. */
const RUN_TOKENS = 16;

/** A policy, its tokenizer, and the engine that runs it for many clients. */
export class Answers {
  private readonly opened: PolicyFiles;
  private readonly batched: BatchedPolicy;
  private underWay: Promise<void> = Promise.resolve();

  constructor(policy: Policy, engine: ConstructorParameters<typeof BatchedPolicy>[0]) {
    this.opened = openPolicyFiles(policy);
    this.batched = new BatchedPolicy(engine, policy);
  }

  /** @throws InputError for a text that is longer than the model's context */
  async encodeTexts(prompts: (string | number[])[]): Promise<number[][]> {
    const encoded: number[][] = [];
    for (const prompt of prompts) {
      encoded.push(typeof prompt === 'string' ? this.opened.tokenizer().encodeText(prompt, this.mostTokens) : prompt);
      // Others are served in between: texts of 2 MiB take seconds.
      if (typeof prompt === 'string') await nextTurn();
    }
    return encoded;
  }
  /** @throws InputError for a conversation that is longer than the model's context */
  encodeChat = (messages: Message[]) => this.opened.tokenizer().encodePrompt(messages, undefined, this.mostTokens);
  /** Whether a token ends every answer. */
  endsWith = (id: number) => this.opened.tokenizer().eosIds.includes(id);
  decode = (ids: number[]) => this.opened.tokenizer().decode(ids);
  tokenBytes = (id: number) => this.opened.tokenizer().tokenBytes(id);

  /** Tokens that fit after a prompt. */
  room = (prompt: number[]) => Math.max(1, this.mostTokens - prompt.length);

  /**
   * The `n` answers of each prompt, in order.
   * @param onPiece gets the answers token by token: as they are sampled, or with log-probabilities once these are computed
   * @throws InputError when a prompt does not fit the model, and the signal's reason once it is aborted
   */
  to(prompts: number[][], wanted: Wanted, onPiece?: (piece: Piece) => void): Promise<Answer[]> {
    const answers = this.answer(prompts, wanted, onPiece);
    this.underWay = settled([this.underWay, answers]);
    return answers;
  }

  private get mostTokens(): number {
    return contextLength(this.opened.model.config);
  }

  /** Resolves when all that was asked until now is answered. */
  settled = (): Promise<void> => this.underWay;

  private async answer(prompts: number[][], wanted: Wanted, onPiece?: (piece: Piece) => void): Promise<Answer[]> {
    const { n, echo, scored, signal } = wanted;
    this.check(prompts, wanted);
    const echoed = prompts.flatMap((prompt) =>
      Array.from({ length: n }, () => ({ prompt, text: echo ? this.decode(prompt) : '' })),
    );
    const live = scored ? undefined : onPiece;
    if (echo) for (const [index, { prompt, text }] of echoed.entries()) live?.({ index, text, tokens: prompt });
    const sampled = await this.sample(prompts, wanted, live);
    const scores = scored
      ? await this.batched.scoreTokens(
          sampled.map(({ tokens }, i) => [...echoed[i].prompt, ...tokens]),
          signal,
        )
      : [];
    return sampled.map(({ text, tokens, finishReason }, index) => {
      const { prompt, text: before } = echoed[index];
      const all = scored ? [undefined, ...scores[index]] : undefined;
      const answer: Answer = {
        text: before + text,
        tokens: echo ? [...prompt, ...tokens] : tokens,
        ...(all && { scores: echo ? all : all.slice(prompt.length) }),
        finishReason: finishReason ?? 'length',
        promptTokens: prompt.length,
        answerTokens: tokens.length,
      };
      if (scored && onPiece) for (const piece of this.pieces(prompt, answer, wanted)) onPiece({ index, ...piece });
      return answer;
    });
  }

  /** @throws InputError when a prompt cannot be answered, which would fail others in its batch, or the request takes too much memory */
  private check(prompts: number[][], { maxTokens, n, scored }: Wanted): void {
    for (const prompt of prompts) {
      if (prompt.length === 0) throw new InputError('the prompt has no tokens; give at least one.');
      checkSequenceLength(this.opened.model.config, checkIds(this.opened.model, prompt).length + maxTokens);
    }
    const answers = prompts.length * n;
    if (answers > MOST_ANSWERS)
      throw new InputError(
        `${answers} answers are more than the ${MOST_ANSWERS} of one request; send fewer prompts at a time.`,
      );
    const tokens = prompts.reduce((sum, { length }) => sum + length + maxTokens, 0) * n;
    if (scored && tokens > MOST_SCORED)
      throw new InputError(
        `log-probabilities of ${tokens} tokens are more than the ${MOST_SCORED} of one request; send fewer prompts at a time.`,
      );
  }

  private async sample(prompts: number[][], wanted: Wanted, onPiece?: (piece: Piece) => void): Promise<SampledText[]> {
    const { maxTokens, n, temperature, topP, topK, seed, stop, signal } = wanted;
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
      // An answer depends on the seed and the prompt's place in its request, not on who asks beside it.
      return {
        id: `${seed}/${i}`,
        prompt_input_ids,
        signal: AbortSignal.any([unwanted, ended.signal]),
        onTokens,
        onRestart,
      };
    });
    if (maxTokens > 0) {
      const settings = {
        samplesPerPrompt: n,
        temperature,
        topP,
        topK,
        maxNewTokens: maxTokens,
        batchSize: BATCH_SIZE,
        weights: 'f32' as const,
      };
      await Promise.race([this.batched.sample(rows, settings, onPiece ? 1 : RUN_TOKENS, unwanted), aborted(unwanted)]);
      signal.throwIfAborted();
    } else
      for (const [index] of texts.flat().entries()) onPiece?.({ index, text: '', tokens: [], finishReason: 'length' });
    return texts.flat();
  }

  /** An answer token by token. */
  private *pieces(prompt: number[], { tokens, scores, finishReason }: Answer, { echo, stop }: Wanted) {
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
