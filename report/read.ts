/** Collects the data of a report from the Temporal server's record of a run and from the run's artifacts. */
import type { ReadableStore } from '../artifacts/store.ts';
import type { RunConfig } from '../config/run.ts';
import type { RunStatus } from '../workflows/status.ts';
import { readOrigins, readRound } from './artifacts.ts';
import type { Report } from './page.ts';
import { stepTimes, type ActivityTime } from './times.ts';

/** The record of a run, from the Temporal server. */
export interface ReportInput {
  config: RunConfig;
  status: RunStatus;
  activities: ActivityTime[];
  /** Price per hour of a machine that runs the model. */
  price?: number;
}

/** Reads the data of a report. @throws ArtifactDamaged when an artifact of the run is missing or damaged */
export async function readReport(store: ReadableStore, { activities, ...record }: ReportInput): Promise<Report> {
  const { results } = record.status;
  const [rounds, origins] = await Promise.all([
    Promise.all(results.map((result, i) => readRound(store, result, results.slice(0, i)))),
    readOrigins(store, results),
  ]);
  return { ...record, rounds, origins, times: stepTimes(activities) };
}
