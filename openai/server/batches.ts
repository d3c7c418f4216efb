/** Batches the requests of many clients: requests of the same kind that wait while the engine is busy are combined in one job. */
import type { CallOptions, Engine, NewTokens, Policy, TokenScores } from '../../engine/protocol/jobs.ts';
import type { SamplingSettings } from '../../engine/protocol/settings.ts';

/** A prompt as token ids. Its random numbers depend only on its id, so requests with different seeds can share a batch. */
interface BatchedPrompt {
  id: string;
  prompt_input_ids: number[];
  /** Receives the tokens of its responses as they are sampled. */
  onTokens: (tokens: NewTokens) => void;
  /** Called when the tokens are reported from the beginning: at the start, and again when the job is retried after a failure. */
  onRestart: () => void;
  /** Aborted when its responses are complete, or no longer needed. */
  signal: AbortSignal;
}

interface Call<Item> {
  items: Item[];
  /** Aborted when its results are no longer needed. */
  signal: AbortSignal;
  resolve: (results: unknown[]) => void;
  reject: (error: unknown) => void;
}

type Run<Item> = (items: Item[]) => Promise<unknown[]>;

/** Calls of one kind that wait for a job. */
interface Batch<Item> {
  calls: Call<Item>[];
  run: Run<Item>;
}

/** A policy that samples and scores for many clients at once. */
export class BatchedPolicy {
  private readonly engine: Engine;
  private readonly policy: Policy;
  private readonly batches = new Map<string, unknown>();
  private turn: Promise<void> = Promise.resolve();

  constructor(engine: Engine, policy: Policy) {
    this.engine = engine;
    this.policy = policy;
  }

  /**
   * Samples `samplesPerPrompt` responses per prompt and reports their tokens to `onTokens`. Resolves when the job has ended.
   * @param every maximum number of tokens between two reports
   */
  async sample(
    prompts: BatchedPrompt[],
    settings: SamplingSettings,
    every: number,
    signal: AbortSignal,
  ): Promise<void> {
    const run = async (all: BatchedPrompt[]): Promise<void[]> => {
      for (const { onRestart } of all) onRestart();
      const rows = all.map(({ id, prompt_input_ids }) => ({ id, prompt_input_ids }));
      const options: CallOptions = {
        onProgress: ({ newTokens = [] }) => {
          for (const tokens of newTokens) all[tokens.prompt].onTokens(tokens);
        },
        // The engine ends a job when all of its prompts are cancelled.
        itemSignals: all.map((prompt) => prompt.signal),
      };
      const job = { policy: this.policy, prompts: rows, settings, seed: 0, reportTokensEvery: every };
      await this.engine.run('sample', job, options);
      return all.map(() => {});
    };
    await this.join(JSON.stringify([settings, every]), prompts, run, signal);
  }

  /** Log-probabilities of the tokens of each sequence, without its first token. */
  async scoreTokens(sequences: number[][], signal: AbortSignal): Promise<TokenScores[][]> {
    const items = sequences.map((ids) => ({ ids, signal }));
    const run = (all: typeof items) =>
      this.engine.run(
        'scoreTokens',
        { policy: this.policy, sequences: all.map(({ ids }) => ids) },
        { itemSignals: all.map((item) => item.signal) },
      );
    return (await this.join('scoreTokens', items, run, signal)) as TokenScores[][];
  }

  private join<Item>(kind: string, items: Item[], run: Run<Item>, signal: AbortSignal): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      const call: Call<Item> = { items, signal, resolve, reject };
      const waiting = this.batches.get(kind) as Batch<Item> | undefined;
      if (waiting) return void waiting.calls.push(call);
      const batch: Batch<Item> = { calls: [call], run };
      this.batches.set(kind, batch);
      this.turn = this.turn.then(() => {
        this.batches.delete(kind);
        return perform(batch.calls, run);
      });
    });
  }
}

/** Runs the calls that were not aborted as one job. If it fails, runs each call as a separate job, so that only the bad one fails. */
async function perform<Item>(calls: Call<Item>[], run: Run<Item>): Promise<void> {
  const wanted = calls.filter(({ signal }) => !signal.aborted);
  for (const { signal, reject } of calls) if (signal.aborted) reject(signal.reason);
  if (wanted.length === 0) return;
  try {
    const results = await run(wanted.flatMap(({ items }) => items));
    let next = 0;
    for (const { items, signal, resolve, reject } of wanted) {
      const own = results.slice(next, (next += items.length));
      if (signal.aborted) reject(signal.reason);
      else resolve(own);
    }
  } catch (error) {
    const [{ reject }, ...others] = wanted;
    if (others.length === 0) return reject(error);
    for (const call of wanted) await perform([call], run);
  }
}
