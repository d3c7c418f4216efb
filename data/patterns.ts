/** Checks regular expressions from users. */

/** V8 aborts the process when it compiles an expression that is nested too deep for its stack. */
const MAX_GROUPS = 250;

/** Compiles a user's regular expression. @throws SyntaxError also when groups are nested too deep */
export function compilePattern(source: string, flags?: string): RegExp {
  if (isNestedTooDeep(source)) throw new SyntaxError(`Groups are nested more than ${MAX_GROUPS} deep`);
  return new RegExp(source, flags);
}

/** Whether a text, read as a regular expression, has groups that are nested too deep. */
function isNestedTooDeep(source: string): boolean {
  let depth = 0;
  for (let i = 0; i < source.length; i++) {
    if (source[i] === '\\') i++;
    else if (source[i] === ')') depth--;
    else if (source[i] === '(' && ++depth > MAX_GROUPS) return true;
  }
  return false;
}

/** Whether any text in a value, read as a regular expression, has groups that are nested too deep. */
export function hasNestedPattern(value: unknown): boolean {
  if (typeof value === 'string') return isNestedTooDeep(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, entry]) => isNestedTooDeep(key) || hasNestedPattern(entry));
}
