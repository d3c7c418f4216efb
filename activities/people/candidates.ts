/** scoreCandidates: log-probabilities and features, under a policy, of a shard's responses that people can compare. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Address } from '../../artifacts/manifest.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { readJsonl } from '../../data/jsonl.ts';
import type { SampledRecord } from '../../data/records.ts';
import { templateFields } from '../../data/template-inputs.ts';
import { openFeatures, type Features } from '../../engine/features.ts';
import { computeParameters, type ComputeSettings } from '../../engine/protocol/compute.ts';
import type { ScoreJob } from '../../engine/protocol/jobs.ts';
import { allCandidates } from '../../labelers/labels.ts';
import { comparableCandidates } from '../../labelers/people/candidates.ts';
import type { Truncated } from '../../labelers/truncated.ts';
import { openPolicyArtifact } from '../policy.ts';
import { readShards } from '../sample.ts';
import { defineStep } from '../step.ts';

interface ScoreCandidatesInput extends ComputeSettings {
  policy: Address;
  responses: Address;
  /** Default: keep. */
  truncated?: Truncated;
  /** Whether to compute the features, too. */
  features: boolean;
  threads: number;
}

const LOGPS = 'logps.jsonl';
const FEATURES = 'features.safetensors';

/** Of a prompt's candidates, in order: the index in the row, and the sum of the tokens' log-probabilities, in nats. */
const logpsSchema = z.object({ id: z.string(), candidates: z.array(z.number()), logps: z.array(z.number()) });

/** The artifact has one row per prompt, and a vector of features per candidate. */
export const scoreCandidates = defineStep({
  name: 'scoreCandidates',
  kind: 'candidate-scores',
  reproducible: true,
  recipe: ({ policy, responses, truncated = 'keep', features, threads, ...compute }: ScoreCandidatesInput) => ({
    parameters: { truncated, features, threads, ...computeParameters(compute) },
    inputs: { policy, responses },
    seed: 0,
  }),
  computedWith: ({ parameters: { truncated: _truncated, features: _features, ...compute } }) => compute,
  run: async ({ parameters, inputs }, { context: { store, engine }, folder, options }) => {
    const { truncated, features, ...compute } = parameters;
    const { policy } = await openPolicyArtifact(store, inputs.policy);
    const answered = (await readShards(store, [inputs.responses])).map((row) => ({
      row,
      candidates: comparableCandidates(row, truncated),
    }));
    const rows = answered.flatMap(({ row, candidates }) => candidates.map((index) => scoreRow(row, index)));
    const file = join(folder.path, FEATURES);
    // A response of the data set may be longer than the model's context. Training cuts it, too.
    const job = { policy, rows, ...compute, cut: true, ...(features && { features: file }) };
    const scores = rows.length === 0 ? [] : await engine.run('score', job, options);
    let next = 0;
    const logps = answered.map(({ row: { id }, candidates }) => ({
      id,
      candidates,
      logps: candidates.map(() => scores[next++].logp),
    }));
    await folder.writeRows(LOGPS, logps);
    const cut = scores.filter(({ isCut }) => isCut).length;
    return { candidates: rows.length, ...(cut > 0 && { cut }) };
  },
});

/** Sampled responses are scored on their sampled tokens. */
function scoreRow(row: SampledRecord, index: number): ScoreJob['rows'][number] {
  const { prompt, prompt_input_ids: ids } = row;
  const fields = { prompt, ...templateFields(row) };
  const response = row.responses[index];
  if (!response) return { ...fields, response: allCandidates(row)[index] };
  return { ...(ids ? { prompt_input_ids: ids } : fields), response_input_ids: response.token_ids };
}

/** The scores of a prompt's candidates. */
export interface PromptScores {
  candidates: number[];
  logps: number[];
  /** Reads the features of a candidate, by its position. */
  features(at: number): Float32Array;
}

/** The scores of a shard's prompts, in order. */
export async function readCandidateScores(store: ArtifactStore, shard: Address): Promise<PromptScores[]> {
  const folder = await store.open(shard);
  const rows = await readJsonl(join(folder, LOGPS), logpsSchema);
  let opened: Features | undefined;
  let next = 0;
  return rows.map(({ candidates, logps }) => {
    const first = next;
    next += candidates.length;
    return {
      candidates,
      logps,
      features: (at) => (opened ??= openFeatures(join(folder, FEATURES))).row(first + at),
    };
  });
}
