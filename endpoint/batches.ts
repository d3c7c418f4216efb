/** Requests of many clients as few jobs: what waits while the engine is busy, and is of one kind, becomes one job. */
import type { Engine, Policy, TokenScores } from '../engine/jobs.ts';
import type { Response } from '../data/records.ts';
import type { SamplingSettings } from '../engine/settings.ts';

interface Waiting<In, Out> {
  items: In[];
  resolve: (results: Out[]) => void;
  reject: (error: unknown) => void;
}

/** Collects calls by kind. Its `run` gets the items of all calls that wait, and returns a result for each. */
class Batch<In, Out> {
  private waiting: Waiting<In, Out>[] = [];
  private readonly run: (items: In[]) => Promise<Out[]>;

  constructor(run: (items: In[]) => Promise<Out[]>) {
    this.run = run;
  }

  /** @returns whether it is the first that waits, and so somebody must see to it */
  add(call: Waiting<In, Out>): boolean {
    return this.waiting.push(call) === 1;
  }

  async flush(): Promise<void> {
    const calls = this.waiting;
    this.waiting = [];
    try {
      const results = await this.run(calls.flatMap(({ items }) => items));
      let next = 0;
      for (const { items, resolve } of calls) resolve(results.slice(next, (next += items.length)));
    } catch (error) {
      for (const { reject } of calls) reject(error);
    }
  }
}

/** A policy that answers and scores for many at once. The inputs must be checked before: a bad one fails its whole batch. */
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
   * Answers to prompts of token ids; `samplesPerPrompt` each.
   * @param prompts an id is all that its random numbers depend on: so requests of different seeds share a batch
   */
  sample(prompts: { id: string; prompt_input_ids: number[] }[], settings: SamplingSettings) {
    const run = async (all: typeof prompts): Promise<Response[][]> =>
      (await this.engine.run('sample', { policy: this.policy, prompts: all, settings, seed: 0 })).responses;
    return this.join(JSON.stringify(settings), prompts, run);
  }

  scoreTokens(sequences: number[][]) {
    const run = (all: number[][]): Promise<TokenScores[][]> =>
      this.engine.run('scoreTokens', { policy: this.policy, sequences: all });
    return this.join('scoreTokens', sequences, run);
  }

  private join<In, Out>(kind: string, items: In[], run: (items: In[]) => Promise<Out[]>): Promise<Out[]> {
    return new Promise((resolve, reject) => {
      const batch = (this.batches.get(kind) as Batch<In, Out> | undefined) ?? new Batch(run);
      this.batches.set(kind, batch);
      if (!batch.add({ items, resolve, reject })) return;
      this.turn = this.turn.then(() => {
        this.batches.delete(kind);
        return batch.flush();
      });
    });
  }
}
