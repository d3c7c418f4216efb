/** What a report takes from the artifacts of a run: its answers, its training curves, and where everything is from. */
import { z } from 'zod';
import type { ComparisonRow } from '../evaluation/comparison.ts';
import type { Address, Manifest } from '../artifacts/manifest.ts';
import type { ReadableStore } from '../artifacts/store.ts';
import { parseJsonl } from '../data/jsonl.ts';
import type { RoundResult } from '../workflows/status.ts';

export type TrainingRow = Record<string, number>;

/** A round's numbers in full. */
export interface RoundArtifacts {
  round: number;
  training: TrainingRow[];
  /** Of the policy and of the run's start, to the held-out prompts. */
  answers: ComparisonRow[];
}

/** An artifact, and what it was made of. */
export interface Origin {
  title: string;
  address: Address;
  recipe: Manifest['recipe'];
  sha256: { path: string; sha256: string }[];
}

const trainingSchema = z.record(z.string(), z.number());
const answersSchema = z.looseObject({ id: z.string(), answer: z.string(), score: z.number().optional() });

export async function readRound(
  store: ReadableStore,
  { round, policy, artifacts }: RoundResult,
): Promise<RoundArtifacts> {
  // A policy may be a whole model: of its artifact only this file is wanted.
  const [training, answers] = await Promise.all([
    store.readText(policy, 'metrics.jsonl'),
    store.readText(artifacts.evaluation, 'answers.jsonl'),
  ]);
  return {
    round,
    training: parseJsonl('metrics.jsonl', training, trainingSchema),
    answers: parseJsonl('answers.jsonl', answers, answersSchema) as unknown as ComparisonRow[],
  };
}

/** The artifacts that the results go back on, down to what came from outside. Of a step's many shards the first stands for all. */
export async function readOrigins(store: ReadableStore, results: RoundResult[]): Promise<Origin[]> {
  const origins = new Map<Address, Origin>();
  const visit = async (address: Address, title: string): Promise<void> => {
    if (origins.has(address)) return;
    const { recipe, files } = await store.manifest(address);
    for (const [role, input] of Object.entries(recipe.inputs)) {
      const [first, ...others] = [input].flat();
      if (first !== undefined)
        await visit(first, others.length > 0 ? `${role}, shard 1 of ${others.length + 1}` : role);
    }
    origins.set(address, { title, address, recipe, sha256: files.map(({ path, sha256 }) => ({ path, sha256 })) });
  };
  for (const { round, policy, artifacts } of results) {
    await visit(policy, `policy of round ${round}`);
    await visit(artifacts.evaluation, `evaluation of round ${round}`);
  }
  return [...origins.values()];
}
