/** A report's files: the page, and beside it the numbers as JSON Lines and as TensorBoard events. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { writeJsonl } from '../data/jsonl.ts';
import type { RunConfig } from '../workflows/config.ts';
import type { RunStatus } from '../workflows/status.ts';
import { readOrigins, readRound } from './artifacts.ts';
import { metricsRows } from './metrics.ts';
import { page } from './page.ts';
import { eventFile, EVENTS_FILE } from './tensorboard.ts';
import { stepTimes, type ActivityTime } from './times.ts';

export interface ReportInput {
  config: RunConfig;
  status: RunStatus;
  activities: ActivityTime[];
  /** What an hour of a machine that runs the model costs. */
  price?: number;
}

export interface ReportFiles {
  page: string;
  metrics: string;
  /** A folder for `tensorboard --logdir`. */
  tensorboard: string;
}

/** Writes NAME.html, NAME.metrics.jsonl and NAME.tensorboard. */
export async function writeReport(store: ArtifactStore, input: ReportInput, file: string): Promise<ReportFiles> {
  const { status, activities } = input;
  const rounds = await Promise.all(status.results.map((result) => readRound(store, result)));
  const origins = await readOrigins(store, status.results);
  const { dir, name } = parse(file);
  const files = {
    page: file,
    metrics: join(dir, `${name}.metrics.jsonl`),
    tensorboard: join(dir, `${name}.tensorboard`),
  };
  await mkdir(dirname(file), { recursive: true });
  await mkdir(files.tensorboard, { recursive: true });
  await writeFile(file, page({ ...input, rounds, origins, times: stepTimes(activities) }));
  const endOf = (round: number) => {
    const ends = activities.filter((activity) => activity.round === round).map(({ ended }) => ended / 1000);
    return ends.length > 0 ? Math.max(...ends) : undefined;
  };
  const rows = metricsRows(status, rounds, endOf);
  await writeJsonl(files.metrics, rows.map(({ step, time, metrics }) => ({ step, ...(time !== undefined && { time }), ...metrics }))); // prettier-ignore
  await writeFile(join(files.tensorboard, EVENTS_FILE), eventFile(rows));
  return files;
}
