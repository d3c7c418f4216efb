/** Writes the files of a report: the page, and the metrics as JSON Lines and as TensorBoard events. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import type { ReadableStore } from '../artifacts/store.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { metricsRows } from './metrics.ts';
import { page } from './page.ts';
import { readReport, type ReportInput } from './read.ts';
import { eventFile, EVENTS_FILE } from './tensorboard.ts';
import { endOf } from './times.ts';

/** The paths of a report's files. */
export interface ReportFiles {
  page: string;
  metrics: string;
  /** A folder for `tensorboard --logdir`. */
  tensorboard: string;
}

/** Writes NAME.html, NAME.metrics.jsonl and NAME.tensorboard. */
export async function writeReport(store: ReadableStore, input: ReportInput, file: string): Promise<ReportFiles> {
  const { status, activities } = input;
  const report = await readReport(store, input);
  const { dir, name } = parse(file);
  const files = {
    page: file,
    metrics: join(dir, `${name}.metrics.jsonl`),
    tensorboard: join(dir, `${name}.tensorboard`),
  };
  await mkdir(dirname(file), { recursive: true });
  await mkdir(files.tensorboard, { recursive: true });
  await writeFile(file, page(report));
  const rows = metricsRows(status, report.rounds, (round) => endOf(activities, round));
  await writeJsonl(
    files.metrics,
    rows.map(({ step, time, metrics }) => ({ step, ...(time !== undefined && { time }), ...metrics })),
  );
  await writeFile(join(files.tensorboard, EVENTS_FILE), eventFile(rows));
  return files;
}
