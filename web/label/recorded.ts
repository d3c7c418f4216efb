/** What the page says about the answer that was recorded before it. */
import { ANSWERS } from './answers.ts';

const OTHERS = new Map(
  Object.entries({
    late: 'Recorded. This round had closed already: the next round uses your vote.',
    skip: 'Skipped.',
    undo: 'Undone: answer the question again.',
  }),
);

/** @param recorded the query parameter of a page after a form: a value of ANSWERS, or another. Anybody can write it into an address */
export function recordedText(recorded: string | undefined): string | undefined {
  if (recorded === undefined) return undefined;
  return Object.hasOwn(ANSWERS, recorded) ? `Recorded: ${ANSWERS[recorded].label}.` : OTHERS.get(recorded);
}
