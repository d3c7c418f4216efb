/** Requests answered by a policy: tokens in, texts with their log-probabilities out. */
import { checkSequenceLength } from '../engine/model/config.ts';
import { checkIds } from '../engine/tokenize.ts';
import { openPolicy, type OpenPolicy } from '../engine/policy.ts';
import type { Policy, TokenScores } from '../engine/jobs.ts';
import type { Message } from '../data/records.ts';
import { BatchedPolicy } from './batches.ts';

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
}

/** One answer; with `echo` it begins with its prompt. */
export interface Answer {
  text: string;
  tokens: number[];
  /** One a token, none for the first of a sequence, which nothing comes before. Absent if not asked for. */
  scores?: (TokenScores | undefined)[];
  finishReason: 'stop' | 'length';
  promptTokens: number;
  answerTokens: number;
}

const BATCH_SIZE = 32;

/** A policy, its tokenizer, and the engine that runs it for many clients. */
export class Answers {
  private readonly opened: OpenPolicy;
  private readonly batched: BatchedPolicy;
  private underWay: Promise<void> = Promise.resolve();

  constructor(policy: Policy, engine: ConstructorParameters<typeof BatchedPolicy>[0]) {
    this.opened = openPolicy(policy);
    this.batched = new BatchedPolicy(engine, policy);
  }

  encodeText = (text: string) => this.opened.tokenizer().encodeText(text);
  encodeChat = (messages: Message[]) => this.opened.tokenizer().encodePrompt(messages);
  /** Whether a token ends every answer. */
  endsWith = (id: number) => this.opened.tokenizer().eosIds.includes(id);
  decode = (ids: number[]) => this.opened.tokenizer().decode(ids);

  /** Tokens that fit after a prompt. */
  room = (prompt: number[]) => Math.max(1, this.opened.model.config.maxPositions - prompt.length);

  /**
   * The `n` answers of each prompt, in order.
   * @throws InputError when a prompt does not fit the model
   */
  to(prompts: number[][], wanted: Wanted): Promise<Answer[][]> {
    const answers = this.answer(prompts, wanted);
    this.underWay = settled([this.underWay, answers]);
    return answers;
  }

  /** Resolves when all that was asked until now is answered. */
  settled = (): Promise<void> => this.underWay;

  private async answer(prompts: number[][], wanted: Wanted): Promise<Answer[][]> {
    const { maxTokens, n, echo, scored, stop } = wanted;
    for (const prompt of prompts) checkSequenceLength(this.opened.model.config, checkIds(this.opened, prompt).length + maxTokens); // prettier-ignore
    const sampled = maxTokens === 0 ? prompts.map(() => Array.from({ length: n }, nothing)) : await this.sample(prompts, wanted); // prettier-ignore
    const cut = sampled.map((answers, i) => answers.map((answer) => this.cut(prompts[i], answer, stop)));
    const scores = scored
      ? await this.batched.scoreTokens(cut.flatMap((answers, i) => answers.map(({ tokens }) => [...prompts[i], ...tokens]))) // prettier-ignore
      : [];
    let next = 0;
    return cut.map((answers, i) =>
      answers.map(({ text, tokens, finishReason }) => {
        const prompt = prompts[i];
        const all = scored ? [undefined, ...scores[next++]] : undefined;
        return {
          text: echo ? this.decode(prompt) + text : text,
          tokens: echo ? [...prompt, ...tokens] : tokens,
          ...(all && { scores: echo ? all : all.slice(prompt.length) }),
          finishReason,
          promptTokens: prompt.length,
          answerTokens: tokens.length,
        };
      }),
    );
  }

  private async sample(prompts: number[][], { maxTokens, n, temperature, topP, topK, seed }: Wanted) {
    const settings = { samplesPerPrompt: n, temperature, topP, topK, maxNewTokens: maxTokens, batchSize: BATCH_SIZE, weights: 'f32' as const }; // prettier-ignore
    // An answer depends on the seed and the prompt's place in its request, not on who asks beside it.
    const rows = prompts.map((prompt, i) => ({ id: `${seed}/${i}`, prompt_input_ids: prompt }));
    const responses = await this.batched.sample(rows, settings);
    return responses.map((samples) =>
      samples.map(({ text, token_ids, finish_reason }) => ({ text, tokens: token_ids, finishReason: finish_reason })),
    );
  }

  /** The answer up to the first stop text, with the tokens that it takes to write it. */
  private cut(prompt: number[], answer: Sampled, stop: string[]): Sampled {
    const ends = stop.map((text) => answer.text.indexOf(text)).filter((at) => at >= 0);
    if (ends.length === 0) return answer;
    const text = answer.text.slice(0, Math.min(...ends));
    let length = 0;
    const tokenizer = this.opened.tokenizer();
    while (!tokenizer.decodeAnswer(prompt, answer.tokens.slice(0, length)).startsWith(text)) length++;
    return { text, tokens: answer.tokens.slice(0, length), finishReason: 'stop' };
  }
}

async function settled(promises: Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(promises);
}

interface Sampled {
  text: string;
  tokens: number[];
  finishReason: 'stop' | 'length';
}

const nothing = (): Sampled => ({ text: '', tokens: [], finishReason: 'length' });
