/** Requests of many clients as few jobs: what waits while the engine is busy, and is of one kind, becomes one job. */
import type { CallOptions, Engine, NewTokens, Policy, TokenScores } from '../../engine/protocol/jobs.ts';
import type { SamplingSettings } from '../../engine/protocol/settings.ts';

/** A prompt of token ids; its random numbers depend on its id alone: so requests of different seeds share a batch. */
export interface BatchedPrompt {
  id: string;
  prompt_input_ids: number[];
  /** Gets the tokens of its answers as they come. */
  onTokens: (tokens: NewTokens) => void;
  /** Called before tokens are reported from the beginning, again where a job has failed. */
  onRestart: () => void;
  /** Aborted when its answers are complete as they are, or no longer wanted. */
  signal: AbortSignal;
}

interface Call<Item> {
  items: Item[];
  /** Aborted when its results are no longer wanted. */
  signal: AbortSignal;
  resolve: (results: unknown[]) => void;
  reject: (error: unknown) => void;
}

type Run<Item> = (items: Item[]) => Promise<unknown[]>;

/** Calls of one kind that wait for their job. */
interface Batch<Item> {
  calls: Call<Item>[];
  run: Run<Item>;
}

/** A policy that answers and scores for many at once. */
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
   * Responder prompts, `samplesPerPrompt` times each: the tokens go to `onTokens`. Resolves when the job has ended.
   * @param every tokens between two reports at most
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
        // A job whose prompts are all cancelled ends by itself.
        itemSignals: all.map((prompt) => prompt.signal),
      };
      const job = { policy: this.policy, prompts: rows, settings, seed: 0, reportTokensEvery: every };
      await this.engine.run('sample', job, options);
      return all.map(() => {});
    };
    await this.join(JSON.stringify([settings, every]), prompts, run, signal);
  }

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

/** Runs the calls that are still wanted as one job; where that fails, each as a job of its own: one of them is the cause. */
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
