/** The pairs of a prompt's responses about which people can be asked. */
import { asConversation, isEmpty, messageText } from '../../data/conversation.ts';
import type { AnsweredRecord, Text } from '../../data/records.ts';
import { allCandidates, candidatesOf } from '../labels.ts';
import type { Truncated } from '../truncated.ts';

/**
 * The indices of the row's candidates that people can compare: of those that look the same the first, and none that is empty.
 * @param truncated with `drop`, responses that were cut at the length limit are no candidates
 */
export function comparableCandidates(row: AnsweredRecord, truncated: Truncated): number[] {
  const all = allCandidates(row);
  const { indices } = candidatesOf(row, truncated);
  const shown = indices.map((index) => shownOf(all[index]));
  return indices.filter((index, i) => !isEmpty(all[index]) && shown.indexOf(shown[i]) === i);
}

/** What the page shows of a response: all but its reasoning. */
const shownOf = (response: Text): string =>
  JSON.stringify(
    asConversation(response, 'assistant').map((message) => [message.role, messageText(message), message['tool_calls']]),
  );

/** All pairs of positions in a list of `count`. */
export const allPairs = (count: number): [number, number][] =>
  Array.from({ length: count }, (_, i) =>
    Array.from({ length: count - i - 1 }, (__, j): [number, number] => [i, i + 1 + j]),
  ).flat();
