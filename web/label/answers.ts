/** What a person can answer to a question: the buttons of the page, their keys, and the values that its forms send. */
import type { Choice, SkipReason, Strength } from '../../labelers/people/protocol.ts';

export interface Answer {
  choice: Choice;
  strength?: Strength;
  /** On the button, and in the confirmation. A is the response on the left. */
  label: string;
  /** In the form of the attribute aria-keyshortcuts. */
  keys: string[];
}

/** By the value of the form's button. */
export const ANSWERS: Record<string, Answer> = {
  'left-much': { choice: 'left', strength: 'much', label: 'A much better', keys: ['1', 'Shift+ArrowLeft'] },
  'left-slightly': { choice: 'left', strength: 'slightly', label: 'A slightly better', keys: ['2', 'ArrowLeft'] },
  tie: { choice: 'tie', label: 'Tie', keys: ['3'] },
  'right-slightly': { choice: 'right', strength: 'slightly', label: 'B slightly better', keys: ['4', 'ArrowRight'] },
  'right-much': { choice: 'right', strength: 'much', label: 'B much better', keys: ['5', 'Shift+ArrowRight'] },
  'both-bad': { choice: 'both-bad', label: 'Both bad', keys: ['0'] },
};

/** Reasons to skip, in the order of their keys: 1, 2, … while they are shown. */
export const SKIPS: Record<SkipReason, string> = {
  unclear: 'The prompt is unclear',
  'no-expertise': 'I do not know enough to judge',
  language: 'I do not read this language well',
  offensive: 'I do not want to read this',
  broken: 'It is not shown correctly',
  other: 'Another reason',
};
