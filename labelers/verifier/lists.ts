/**
 * list: lists of words, for small models. Not a part of IFEval. A response is a list such as `red-blue-green`. Its items are all words
 * except "and" and "or". Each kind checks one property, so that a partly correct list gets a partial score:
 *
 * - `list:separator` {separator, count?}: only words, separated by exactly this text; `count` words if given, otherwise at least two.
 * - `list:count` {count}: exactly `count` items, with any separator.
 * - `list:members` {members}: every item is one of these words (case-insensitive), without duplicates.
 * - `list:case` {case: "upper" | "lower"}: all letters are in this case. IFEval's change_case kinds also require English, but the
 *   language of a few words cannot be detected.
 */
import { z } from 'zod';
import { kind, type Family } from './instruction.ts';
import { isLower, isUpper, trim, WORD } from '../../ports/python.ts';

const JOINING = new Set(['and', 'or']);

export const lists: Family = {
  'list:separator': kind(
    { separator: z.string().min(1), count: z.int().positive().optional() },
    (response, { separator, count }) => {
      const parts = trim(response).split(separator);
      const words = parts.every((part) => new RegExp(`^${WORD}+$`, 'u').test(part));
      return words && (count === undefined ? parts.length >= 2 : parts.length === count);
    },
  ),

  'list:count': kind({ count: z.int().positive() }, (response, { count }) => items(response).length === count),

  'list:members': kind({ members: z.array(z.string().min(1)).min(1) }, (response, { members }) => {
    const allowed = new Set(members.map((member) => member.toLowerCase()));
    const found = items(response);
    return found.length > 0 && new Set(found).size === found.length && found.every((item) => allowed.has(item));
  }),

  'list:case': kind({ case: z.enum(['upper', 'lower']) }, (response, kwargs) =>
    kwargs.case === 'upper' ? isUpper(response) : isLower(response),
  ),
};

/** The items of a response, in lower case. */
function items(response: string): string[] {
  const words = response.toLowerCase().match(new RegExp(`${WORD}+`, 'gu')) ?? [];
  return words.filter((word) => !JOINING.has(word));
}
