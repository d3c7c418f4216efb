/** The rounds of a run as a table on a terminal. */
import { HEAD, roundRows } from '../report/rounds.ts';
import type { RunStatus } from '../workflows/status.ts';
import { terminalTable } from './table.ts';

/** Formats the rounds of a run. @returns the lines of the table */
export const runTable = (status: RunStatus): string =>
  terminalTable(roundRows(status), { head: HEAD, colAligns: HEAD.map(() => 'right') });
