/** Tables of the pages that are written from results. */

/** A Markdown table: its first column is text, the others are figures. @param titles those of all columns */
export const markdownTable = (titles: string[], rows: (string | number)[][]): string =>
  [titles, ['---', ...titles.slice(1).map(() => '---:')], ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
