/** What a report shows, out of what a server tells of a run and what its artifacts hold. */
import type { ReadableStore } from '../artifacts/store.ts';
import type { RunConfig } from '../config/run.ts';
import type { RunStatus } from '../workflows/status.ts';
import { readOrigins, readRound } from './artifacts.ts';
import type { Report } from './page.ts';
import { stepTimes, type ActivityTime } from './times.ts';

export interface ReportInput {
  config: RunConfig;
  status: RunStatus;
  activities: ActivityTime[];
  /** What an hour of a machine that runs the model costs. */
  price?: number;
}

export async function readReport(store: ReadableStore, { activities, ...told }: ReportInput): Promise<Report> {
  const { results } = told.status;
  const [rounds, origins] = await Promise.all([
    Promise.all(results.map((result) => readRound(store, result))),
    readOrigins(store, results),
  ]);
  return { ...told, rounds, origins, times: stepTimes(activities) };
}
