/** score: the log-probabilities of a shard's answers under another policy. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { readJsonl, writeJsonl } from '../data/jsonl.ts';
import { z } from 'zod';
import type { SampledRecord } from '../data/records.ts';
import type { CallOptions, Engine, ScoreJob } from '../engine/jobs.ts';
import type { Device } from '../engine/target.ts';
import { openPolicyArtifact } from './policy.ts';
import { readShards } from './sample.ts';
import { runStep, type Step, type StepResult } from './step.ts';

export interface ScoreInput {
  policy: Address;
  responses: Address;
  threads: number;
  device?: Device;
}

const LOGPS = 'logps.jsonl';
const rowSchema = z.object({ id: z.string(), logps: z.array(z.number()) });

export const score: Step<ScoreInput, StepResult<{ responses: number }>> = (rooms, input, options) => {
  const { policy, responses, threads, device } = input;
  const recipe = { step: 'score', parameters: { threads, device }, inputs: { policy, responses }, seed: 0 };
  return runStep(rooms, 'logps', recipe, async (folder) => {
    const opened = await openPolicyArtifact(rooms.store, policy);
    const answered = await readShards(rooms.store, [responses]);
    const job = { policy: { ...opened.policy, device }, threads };
    const logps = await scoreAnswers(rooms.engine, job, answered, options);
    await writeJsonl(join(folder, LOGPS), answered.map(({ id }, i) => ({ id, logps: logps[i] }))); // prettier-ignore
    return { responses: logps.flat().length };
  });
};

/**
 * The log-probability of every answer under `policy`, token for token as it was sampled, by prompt.
 * An answer cut off by its length limit is scored as it stands.
 */
export async function scoreAnswers(
  engine: Engine,
  job: Pick<ScoreJob, 'policy' | 'threads'>,
  answered: SampledRecord[],
  options: CallOptions = {},
): Promise<number[][]> {
  const rows = answered.flatMap(({ prompt, tools, responses }) => responses.map(({ token_ids }) => ({ prompt, tools, response_input_ids: token_ids }))); // prettier-ignore
  const scores = await engine.run('score', { ...job, rows }, options);
  let next = 0;
  return answered.map(({ responses }) => responses.map(() => scores[next++].logp));
}

/** The log-probabilities of all shards' answers, by prompt, in order. */
export async function readLogps(store: ArtifactStore, shards: Address[]): Promise<number[][]> {
  const parts = await Promise.all(
    shards.map(async (shard) => readJsonl(join(await store.open(shard), LOGPS), rowSchema)),
  );
  return parts.flat().map(({ logps }) => logps);
}
