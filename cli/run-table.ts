/** The rounds of a run as a table on a terminal. */
import Table from 'cli-table3';
import { HEAD, roundRows } from '../report/rounds.ts';
import type { RunStatus } from '../workflows/status.ts';

/** Formats the rounds of a run. @returns the lines of the table */
export function runTable(status: RunStatus): string {
  const table = new Table({
    head: HEAD,
    style: { head: [], border: [], compact: true },
    colAligns: HEAD.map(() => 'right'),
  });
  table.push(...roundRows(status));
  return table.toString();
}
