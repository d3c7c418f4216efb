/** What every job of this backend gets, and how it is handed to the ranks. */
import { join } from 'node:path';
import { rmSync, writeFileSync } from 'node:fs';
import { writeJsonl } from '../../data/jsonl.ts';
import { threadsPerRank } from '../process/threads.ts';
import type { ComputeSettings } from '../protocol/compute.ts';
import type { JobControl, Progress } from '../protocol/jobs.ts';
import type { ProgressMessage } from './channel.ts';
import type { Ranks } from './ranks.ts';

/** The control of one job, and the ranks that compute it. */
export interface JobContext {
  control: JobControl;
  /** Ranks as the settings ask for, started if there are none. */
  ranks(settings: ComputeSettings): Promise<Ranks>;
}

/** A job as the ranks read it, without its rows. */
export interface RankJob {
  method: 'score' | 'divergence' | 'optimize' | 'rank';
  /** A model's folder. */
  model: string;
  /** A PEFT adapter's folder. */
  adapter: string | null;
  /** Most tokens of a micro-batch on one rank, unless a single row is longer. */
  microBatchTokens: number;
  [field: string]: unknown;
}

/** The number of threads of each rank. */
export const threadsOf = (settings: ComputeSettings): number => settings.threads ?? threadsPerRank(settings);

/**
 * Has the ranks compute a job.
 * @param name of the job, for errors
 * @param rows that the ranks read from a file: there may be very many
 * @returns the job's value
 */
export async function compute(
  name: string,
  settings: ComputeSettings,
  job: RankJob,
  rows: object[],
  ranks: Ranks,
  control: JobControl,
  onProgress: (message: ProgressMessage) => void,
): Promise<unknown> {
  const { device = 'cpu' } = settings;
  const [jobFile, rowsFile] = ['job.json', 'rows.jsonl'].map((file) => join(ranks.folder, file));
  await writeJsonl(rowsFile, rows);
  // The CPU has no fast half precision; on GPUs, what is trained and summed is float32 all the same.
  const precision = device === 'cuda' ? 'bfloat16' : 'float32';
  const common = { compute: precision, device, threads: threadsOf(settings), rows: rowsFile };
  writeFileSync(jobFile, JSON.stringify({ ...job, ...common }));
  try {
    return await ranks.run(name, jobFile, onProgress, control.signal);
  } finally {
    for (const file of [jobFile, rowsFile]) rmSync(file, { force: true });
  }
}

/** Reports passes as progress of a job over `total` units. */
export const reporter =
  ({ onProgress }: JobControl, unit: Progress['unit'], total: number) =>
  (message: ProgressMessage): void => {
    if (message.type !== 'pass') return;
    const done = Math.floor((total * message.done) / message.total);
    onProgress({ done, total, unit, tokens: message.tokens });
  };
