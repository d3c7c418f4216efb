/** People whom an export does not name: an answer without a user. */

/**
 * The names of the people who gave a record's answers. Each of those who are unnamed is another person: `unnamed 1`, `unnamed 2`, …
 * @param given in the order of the answers; undefined for an unnamed person
 */
export function numbered(given: (string | undefined)[]): string[] {
  let unnamed = 0;
  return given.map((name) => name ?? `unnamed ${++unnamed}`);
}
