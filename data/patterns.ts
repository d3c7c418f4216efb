/** Regular expressions of users. */

/** V8 aborts the process where it compiles an expression that is nested too deep for its stack. */
const MAX_GROUPS = 250;

/** A regular expression of a user's. @throws SyntaxError also where groups are nested too deep */
export function compilePattern(source: string, flags?: string): RegExp {
  if (isNestedTooDeep(source)) throw new SyntaxError(`Groups are nested more than ${MAX_GROUPS} deep`);
  return new RegExp(source, flags);
}

/** Whether a text, taken as a regular expression, has too many groups in groups. */
function isNestedTooDeep(source: string): boolean {
  let depth = 0;
  for (let i = 0; i < source.length; i++) {
    if (source[i] === '\\') i++;
    else if (source[i] === ')') depth--;
    else if (source[i] === '(' && ++depth > MAX_GROUPS) return true;
  }
  return false;
}

/** Whether one of the texts in a value, taken as a regular expression, has too many groups in groups. */
export function hasNestedPattern(value: unknown): boolean {
  if (typeof value === 'string') return isNestedTooDeep(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, entry]) => isNestedTooDeep(key) || hasNestedPattern(entry));
}
