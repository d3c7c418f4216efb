/** The tools of a prompt. */
import { InputError } from './errors.ts';
import { exactJson } from './exact-json.ts';
import { parseJson } from './json.ts';
import type { Tool } from './records.ts';

/** Whether a row has tools. @throws InputError as `toolsOf` */
export const hasTools = (row: { tools?: string | Tool[] | null }): boolean => (toolsOf(row)?.length ?? 0) > 0;

/**
 * The `tools` of a row, which TRL's data sets have as a list or as JSON, as exact values (exact-json.ts).
 * @throws InputError when they are not a list of objects
 */
export function toolsOf({ tools }: { tools?: string | Tool[] | null }): Tool[] | undefined {
  if (typeof tools !== 'string') return tools ?? undefined;
  let parsed: unknown;
  try {
    parsed = exactJson(tools);
  } catch (error) {
    throw new InputError(`its "tools" are not JSON (${(error as Error).message}): give a list of tools.`);
  }
  // Repeated keys, numbers that are too large and so on.
  parseJson(tools, 'the text of its "tools"', 'give a list of tools.');
  if (parsed === null) return undefined;
  if (
    Array.isArray(parsed) &&
    parsed.every((tool) => typeof tool === 'object' && tool !== null && !Array.isArray(tool))
  )
    return parsed as Tool[];
  throw new InputError('its "tools" are no list of JSON schemas: give a list of tools.');
}
