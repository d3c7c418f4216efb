/** Reads the artifacts of a run for its report: held-out responses, training curves, and the origins of the artifacts. */
import { z } from 'zod';
import type { ComparisonRow } from '../evaluation/comparison.ts';
import type { Address, Manifest } from '../artifacts/manifest.ts';
import type { ReadableStore } from '../artifacts/store.ts';
import { parseJsonl } from '../data/jsonl.ts';
import type { RoundResult } from '../workflows/status.ts';
import { readPeople, type RoundPeople } from './people.ts';

type TrainingRow = Record<string, number>;

/** The data of a round for the report. */
export interface RoundArtifacts {
  round: number;
  training: TrainingRow[];
  /** Responses of the round's policy and of the start policy to the held-out prompts. */
  answers: ComparisonRow[];
  /** The people who labeled the round, if people did. */
  people?: RoundPeople;
}

/** An artifact and its recipe. */
export interface Origin {
  title: string;
  address: Address;
  recipe: Manifest['recipe'];
  sha256: { path: string; sha256: string }[];
}

const trainingSchema = z.record(z.string(), z.number());
const answersSchema = z.looseObject({ id: z.string(), answer: z.string(), score: z.number().optional() });

/**
 * Reads the data of a round.
 * @param earlier the earlier rounds of the run
 * @throws ArtifactDamaged when an artifact of the round is missing or damaged
 */
export async function readRound(
  store: ReadableStore,
  result: RoundResult,
  earlier: RoundResult[],
): Promise<RoundArtifacts> {
  const { round, policy, artifacts } = result;
  // Reads a single file, because a policy's artifact may contain a full model.
  const [training, answers, people] = await Promise.all([
    store.readText(policy, 'metrics.jsonl'),
    store.readText(artifacts.evaluation, 'answers.jsonl'),
    readPeople(store, result, earlier),
  ]);
  return {
    round,
    training: parseJsonl('metrics.jsonl', training, trainingSchema),
    answers: parseJsonl('answers.jsonl', answers, answersSchema) as unknown as ComparisonRow[],
    ...(people && { people }),
  };
}

/** All artifacts that the results were computed from, inputs first. Of each step, only the first shard is listed. */
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
