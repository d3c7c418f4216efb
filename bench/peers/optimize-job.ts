/** The optimize job of a work, shared by the measurement (selm_peer.ts) and the profile (selm_profile.ts). */
import type { OptimizeJob } from '../../engine/protocol/jobs.ts';
import { trainingSchema } from '../../engine/protocol/settings.ts';
import type { Work } from '../work.ts';

/** Creates the optimize job of a work. */
export function optimizeJob(work: Work, threads: number, outDir: string): OptimizeJob {
  const { beta, alpha, learningRate, batchSize, adapter, model } = work;
  const rows = work.preferences.map(({ prompt, chosen, rejected, reference }) => ({
    prompt_input_ids: prompt,
    chosen_input_ids: chosen,
    rejected_input_ids: rejected,
    reference_input_ids: reference,
  }));
  const policy = { model, ...(adapter && { adapter }) };
  const training = trainingSchema.parse({
    full: !adapter,
    learningRate,
    batchSize,
    schedule: 'constant',
    shuffle: false,
    maxGradNorm: 1,
    maxLength: 8192,
  });
  return {
    policy,
    reference: policy,
    rows,
    objective: { name: 'selm', beta, alpha },
    training,
    seed: 0,
    threads,
    outDir,
  };
}

/** Creates the job of DPO on the pairs of a work, without its reference responses. */
export function pairsJob(work: Work, threads: number, outDir: string): OptimizeJob {
  const job = optimizeJob(work, threads, outDir);
  const rows = work.preferences.map(({ prompt, chosen, rejected }) => ({
    prompt_input_ids: prompt,
    chosen_input_ids: chosen,
    rejected_input_ids: rejected,
  }));
  return { ...job, rows, objective: { name: 'dpo', beta: work.beta } };
}
