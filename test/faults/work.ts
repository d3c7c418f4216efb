/** What the engine has computed in a run, counted from its work log. */
import { existsSync, readFileSync } from 'node:fs';

interface Entry {
  job: string;
  unit: 'prompts' | 'rows' | 'steps';
  done: number;
  tokens: number;
  trained: boolean;
  checkpoint: boolean;
}

export interface Work {
  sampledTokens: number;
  trainingSteps: number;
  /** The most that one sampling job has sampled: a shard. */
  largestShard: number;
  /** The most training steps between a start or checkpoint and the next checkpoint or end: what one fault can cost. */
  longestInterval: number;
}

export function readWork(file: string): Work {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  const entries = lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as Entry);
  const shards = new Map<string, number>();
  const intervals = new Map<string, number>();
  let [trainingSteps, longestInterval] = [0, 0];
  for (const { job, unit, tokens, trained, checkpoint } of entries) {
    if (unit === 'prompts') shards.set(job, Math.max(tokens, shards.get(job) ?? 0));
    if (trained) {
      trainingSteps++;
      intervals.set(job, (intervals.get(job) ?? 0) + 1);
      longestInterval = Math.max(longestInterval, intervals.get(job)!);
    }
    if (checkpoint) intervals.set(job, 0);
  }
  const sampled = [...shards.values()];
  return {
    sampledTokens: sampled.reduce((total, tokens) => total + tokens, 0),
    trainingSteps,
    largestShard: Math.max(0, ...sampled),
    longestInterval,
  };
}
