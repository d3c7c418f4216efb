/** The part of the training jobs that both backends share: what is trained on, and what training starts from. */
import { InputError } from '../../data/errors.ts';
import { readJsonl } from '../../data/jsonl.ts';
import { referenceLogpsSchema, type ReferenceLogps } from '../../data/records.ts';
import { nothingLeft, type RowCounts } from '../../data/row-counts.ts';
import { layersOf, targetLayers } from '../model-files/linear-layers.ts';
import { freshAdapter, readAdapter, type Adapter } from '../model-files/lora.ts';
import type { ModelFolder } from '../model-files/model.ts';
import { checkNewFolder } from '../model-files/new-folder.ts';
import type { OptimizeJob, Policy, ReferenceJob, SftJob } from '../protocol/jobs.ts';
import { tokenizePreferences, type TokenizedPreference } from '../tokens/preferences.ts';
import type { TextPolicy, TokenizedResponse } from '../tokens/responses.ts';
import { checkDisk } from './disk.ts';
import { needsOf } from '../protocol/objectives.ts';
import { examplesWithLogps, logpsByRole, preferenceExamples, smoothed, type PreferenceExample } from './preference.ts';

/** Computes log-probabilities (nats) of responses under a policy, in order. */
type LogpsUnder = (policy: Policy, rows: TokenizedResponse[]) => Promise<Float64Array>;

/**
 * The examples of a training on preferences, with their reference log-probabilities if the objective uses these, and counts of its rows.
 * @throws InputError that names the row that cannot be trained on, or when no row is left
 */
export async function optimizeExamples(
  job: OptimizeJob,
  policy: TextPolicy,
  logpsUnder: LogpsUnder,
): Promise<{ examples: PreferenceExample[]; counts: RowCounts }> {
  const { rows: source, objective, training } = job;
  const byAgreement = objective.labelSmoothing === 'agreement';
  const uses = { reference: needsOf(objective).referenceResponse !== undefined, confidence: byAgreement };
  const { rows, counts } = await tokenizePreferences(policy, source, training, uses);
  if (rows.length === 0) throw new InputError(nothingLeft(counts));
  const noConfidence = rows.filter(({ confidence }) => confidence === undefined).length;
  return {
    examples: smoothed(await examplesOf(job, rows, logpsUnder), rows, objective),
    counts: { ...counts, ...(byAgreement && { noConfidence }) },
  };
}

async function examplesOf(
  { objective, reference }: OptimizeJob,
  rows: TokenizedPreference[],
  logpsUnder: LogpsUnder,
): Promise<PreferenceExample[]> {
  if (!needsOf(objective).referencePolicy) {
    return preferenceExamples(rows, async ({ length }) => new Float64Array(length));
  }
  if ('logpFiles' in reference) {
    const files = await Promise.all(reference.logpFiles.map((file) => readJsonl(file, referenceLogpsSchema)));
    const logps = files.flat();
    if (logps.length !== rows.length) {
      throw new Error(`There are ${logps.length} rows of reference log-probabilities for ${rows.length} preferences.`);
    }
    return examplesWithLogps(rows, logps);
  }
  return preferenceExamples(rows, (responses) => logpsUnder(reference, responses));
}

/**
 * The job `reference`: log-probabilities of the responses of preferences, by role. The reference response is scored if a row has one,
 * whether or not the objective will use it.
 * @throws InputError that names the row that the model cannot read
 */
export async function referenceLogps(
  job: ReferenceJob,
  policy: TextPolicy,
  logpsUnder: LogpsUnder,
): Promise<ReferenceLogps[]> {
  const { rows } = await tokenizePreferences(policy, job.rows, job.limits, { reference: false }, job);
  const examples = await preferenceExamples(rows, (responses) => logpsUnder(job.policy, responses));
  return examples.map(logpsByRole);
}

/**
 * Checks what does not depend on the rows, before anything is computed of them: reference log-probabilities of many rows take hours.
 * @throws InputError when there is no room for the result, an adapter where all weights are to be trained, or no layer of a name
 */
export function checkTraining(job: OptimizeJob | SftJob, model: ModelFolder): void {
  const { outDir, policy, training } = job;
  checkNewFolder(outDir, 'the trained policy');
  checkDisk(job, model.tensors);
  if (training.full && policy.adapter !== undefined) {
    throw new InputError(
      `Training all weights starts from a model without an adapter: merge ${policy.adapter} into it first (selm export).`,
    );
  }
  if (!training.full && policy.adapter === undefined) targetLayers(layersOf(model), training.lora.targets);
}

/** The adapter that a training starts from: the policy's, or a fresh one. */
export const startAdapter = ({ policy, training, seed }: OptimizeJob | SftJob, model: ModelFolder): Adapter =>
  policy.adapter === undefined
    ? freshAdapter(layersOf(model), training.lora, seed)
    : readAdapter(policy.adapter, layersOf(model));
