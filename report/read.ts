/** Collects what a report shows, from the server's record of a run and from the run's artifacts. */
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
  /** The price of an hour of a machine that runs the model. */
  price?: number;
}

/** @throws ArtifactDamaged when an artifact of the run is missing or damaged */
export async function readReport(store: ReadableStore, { activities, ...record }: ReportInput): Promise<Report> {
  const { results } = record.status;
  const [rounds, origins] = await Promise.all([
    Promise.all(results.map((result) => readRound(store, result))),
    readOrigins(store, results),
  ]);
  return { ...record, rounds, origins, times: stepTimes(activities) };
}
