/**
 * What people are asked and what they answer, as plain data. Steps, workflows and pages share it. Texts are in artifacts only: what is
 * here also gets into workflow histories.
 */

/** An answer to a question, in the order shown: which of the two responses is better. */
export const CHOICES = ['left', 'right', 'tie', 'both-bad'] as const;
export type Choice = (typeof CHOICES)[number];

/** By how much the better response is better. */
export const STRENGTHS = ['slightly', 'much'] as const;
export type Strength = (typeof STRENGTHS)[number];

/** Why a person does not answer a question. */
export const SKIP_REASONS = ['unclear', 'no-expertise', 'language', 'offensive', 'broken', 'other'] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** The questions of a block at most. */
export const QUESTIONS_PER_BLOCK = 100;

/** How many people are asked about an overlapping question. */
export const OVERLAPPING_VOTES = 3;

/** A question as a block of a round holds it: a pair of responses to one prompt. Its texts are in the artifacts of the responses. */
export interface Question {
  /** Unique within a round. */
  id: string;
  /** How many people are asked. For a gold question: undefined, everybody may be asked. */
  votes?: number;
}

/** A vote, as the artifact `votes` has it. */
export interface VoteRecord {
  question: string;
  person: string;
  /** Which response of the question is better: 0 is the first, 1 the second of `candidates`. */
  choice: 0 | 1 | 'tie' | 'both-bad';
  /** Absent for a tie and for both bad. */
  strength?: Strength;
  /** The response that was shown on the left. */
  left: 0 | 1;
  /** From the first time the question was shown to the person until the vote. */
  seconds: number;
  /** ISO 8601, in UTC. */
  at: string;
  /** A repeated question: the same person saw it before in the other order. It does not count as a further vote. */
  repeat?: true;
}

/** A question that a person did not answer. */
export interface SkipRecord {
  question: string;
  person: string;
  skip: SkipReason;
  at: string;
}

/** A line of the artifact `questions`. */
export interface QuestionRecord extends Question {
  /** The prompt's id. One question per prompt, at most. */
  prompt_id: string;
  /** The shard of the round's responses that has the prompt. Undefined for a gold question. */
  shard?: number;
  /** The candidates' indices in the row (labels.ts). */
  candidates: [number, number];
  /** The value of the strategy, by which the question was selected. */
  value?: number;
  /** Whether it was selected at random, whatever the strategy (`randomShare`). */
  random: boolean;
  /** The known answer of a gold question. It is never sent to a voter. */
  gold?: 0 | 1;
}
