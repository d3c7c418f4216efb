/** Tables on a terminal. */
import Table, { type TableConstructorOptions } from 'cli-table3';

type TableOptions = Pick<TableConstructorOptions, 'head' | 'colAligns' | 'colWidths' | 'wordWrap'>;

/** Formats rows of cells as a table without colors and without lines between its rows. @returns its lines */
export function terminalTable(rows: string[][], options: TableOptions = {}): string {
  const table = new Table({ ...options, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  return table.toString();
}
