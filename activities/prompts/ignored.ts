/** Counts of rows from which the chat template leaves something out, and what to tell about them. */
import { counted } from '../../data/counted.ts';
import { tally } from '../../data/tally.ts';
import type { Ignored } from '../../engine/tokenizer/unwritten.ts';

/** Numbers of rows. Absent if there are none. */
export type IgnoredCounts = Partial<Record<Ignored, number>>;

/** Counts the rows, by what is ignored of each. */
export const countIgnored = (rows: Ignored[][]): IgnoredCounts => tally(rows.flat());

/** What the rows have. */
const NOTES: Record<Ignored, string> = {
  ignoredTools: 'tools, which the chat template does not write: the policy does not see them.',
  ignoredArguments: 'a variable in "chat_template_kwargs" that the chat template does not read.',
  ignoredMessages:
    'messages that the chat template does not write, such as those of roles that it does not know: the policy does not see them.',
  ignoredCalls: 'tool calls that the chat template does not write: the policy does not see them.',
  ignoredReasoning:
    'reasoning (reasoning_content, reasoning, thinking or reasoning_details) that the chat template does not write: the policy does not see it.',
  ignoredThoughts:
    'a text of which the chat template leaves out a part, such as <think>…</think>: the policy does not see it.',
  ignoredContent:
    'a text beside tool calls or reasoning that the chat template does not write: the policy does not see it.',
};

/** A note on each kind of rows. @param row what a row is called */
export const ignoredNotes = (counts: IgnoredCounts, row: string): string[] =>
  (Object.keys(NOTES) as Ignored[]).flatMap((part) => {
    const count = counts[part] ?? 0;
    return count === 0 ? [] : [`${counted(count, row)} ${count === 1 ? 'has' : 'have'} ${NOTES[part]}`];
  });
