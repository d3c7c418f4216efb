/** The value of a JSON text; undefined where it is none. */
export function parsed(input: Buffer | string): unknown {
  try {
    return JSON.parse(String(input));
  } catch {
    return undefined;
  }
}
