/** optimize: trains the policy on a round's preferences. */
import { join } from 'node:path';
import type { Address, StepKey } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { inTurns } from '../data/in-turns.ts';
import { mean } from '../data/numbers.ts';
import { computeParameters, type ComputeSettings } from '../engine/protocol/compute.ts';
import type { CallOptions, Progress, TrainMetrics } from '../engine/protocol/jobs.ts';
import type { ObjectiveSettings, TrainingSettings } from '../engine/protocol/settings.ts';
import type { RowCounts } from '../data/row-counts.ts';
import { PREFERENCES } from './prefer.ts';
import { ADAPTER, checkBase, MODEL, nameBase, openPolicyArtifact, writeBase } from './policy.ts';
import { REFERENCE_LOGPS } from './reference.ts';
import { defineStep } from './step.ts';

export interface OptimizeInput extends ComputeSettings {
  /** The policy that training starts from: the reference policy. */
  policy: Address;
  preferences: Address;
  /** Results of `reference`, one artifact per shard. Empty for an objective without a reference policy. */
  reference: Address[];
  objective: ObjectiveSettings;
  training: TrainingSettings;
  seed: number;
  threads: number;
  checkpointSeconds: number;
}

export interface OptimizeSummary {
  steps: number;
  /** Whether the weights, in float32, equal the initial weights. */
  unchanged: boolean;
  /** Means over the last tenth of the steps. */
  metrics: Record<string, number>;
  /** How many preferences were used, truncated and dropped. */
  rows: RowCounts;
}

/** Trains the policy on preferences and saves checkpoints. The artifact is the trained policy. */
export const optimize = defineStep({
  name: 'optimize',
  kind: 'policy',
  reproducible: true,
  recipe: (input: OptimizeInput) => {
    const { policy, preferences, reference, objective, training, seed, threads } = input;
    return {
      parameters: { objective, training, threads, ...computeParameters(input) },
      inputs: { policy, preferences, reference },
      seed,
    };
  },
  computedWith: ({ parameters }) => parameters,
  run: async ({ parameters, inputs, seed }, { context, input, folder, key, options }) => {
    const { store, engine, stopSeconds } = context;
    const { objective, training, ...compute } = parameters;
    const { policy, base } = await openPolicyArtifact(store, inputs.policy);
    const job = {
      policy,
      reference: { logpFiles: await filesOf(store, inputs.reference) },
      rows: join(await store.open(inputs.preferences), PREFERENCES),
      objective,
      training,
      seed,
      ...compute,
      outDir: join(folder.path, training.full ? MODEL : ADAPTER),
      ...(input && {
        checkpoint: {
          dir: await store.openCheckpoints(key),
          everySeconds: input.checkpointSeconds,
          ...(stopSeconds !== undefined && { stopSeconds }),
        },
      }),
    };
    const trained = await keepingCheckpoints(store, key, options, (kept) => engine.run('optimize', job, kept));
    // A whole model gets its tokenizer from the base model's folder at the end, and training may have taken days.
    if (policy.model === base.source) await checkBase(base);
    const { steps, unchanged, metrics, rows, damagedCheckpoints } = trained;
    for (const damaged of damagedCheckpoints) {
      console.warn(`Checkpoint ${damaged} was damaged: its steps were computed again.`);
    }
    // Speed depends on the machine. An artifact that contained it would not be reproducible.
    const timeless = metrics.map(withoutSpeed);
    await folder.writeRows('metrics.jsonl', timeless);
    await writeBase(folder, base);
    if (!training.full) await nameBase(folder, base);
    return { steps, unchanged, metrics: meanOfLast(timeless), rows };
  },
});

const filesOf = (store: ArtifactStore, shards: Address[]) =>
  inTurns(shards, async (shard) => join(await store.open(shard), REFERENCE_LOGPS));

/** Saves each checkpoint in the store before its progress is reported. At the end of the work, none is needed any more. */
async function keepingCheckpoints<Result>(
  store: ArtifactStore,
  key: StepKey,
  { onProgress, ...options }: CallOptions,
  work: (options: CallOptions) => Promise<Result>,
): Promise<Result> {
  let saving = Promise.resolve();
  const done = new AbortController();
  const keep = (progress: Progress) => {
    const { checkpoint: _, ...rest } = progress;
    if (!progress.checkpoint) return onProgress?.(progress);
    onProgress?.(rest);
    saving = saving.then(() => store.saveCheckpoints(key, done.signal)).then(() => onProgress?.(progress));
    // A failure is thrown after the work has ended. Until then it must not be an unhandled rejection.
    saving.catch(() => {});
  };
  try {
    const result = await work({ ...options, onProgress: keep });
    done.abort();
    return result;
  } finally {
    await saving;
  }
}

function withoutSpeed(row: TrainMetrics): Omit<TrainMetrics, 'tokens/s'> {
  const { 'tokens/s': speed, ...rest } = row;
  void speed;
  return rest;
}

function meanOfLast(rows: Omit<TrainMetrics, 'tokens/s'>[]): Record<string, number> {
  const last = rows.slice(-Math.ceil(rows.length / 10));
  const names = Object.keys(last[0]).filter((name) => name !== 'step' && name !== 'epoch');
  return Object.fromEntries(names.map((name) => [name, mean(last.map((row) => row[name] as number))]));
}
