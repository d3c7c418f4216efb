/** Rows as the text of a JSON Lines file. */
export const jsonl = (rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
