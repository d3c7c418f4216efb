/** Who prefers what: the one interface of verifier, reward model, pairwise ranker, judge and human. */
import type { PromptRecord } from '../data/records.ts';

/** A prompt and the answers to it that are to be compared, as plain text. */
export interface Candidates {
  prompt: PromptRecord;
  answers: string[];
}

export interface Verdict {
  /**
   * Higher is better. Comparable at least among the answers to one prompt; a labeler that compares in pairs gives the share of
   * the other answers that this one beats. The verifier's is in [0, 1].
   */
  score: number;
  /** Whether the answer does all that was asked. Only labelers with an absolute measure say so. */
  pass?: boolean;
}

export interface Labeler {
  readonly name: string;
  /**
   * One verdict an answer, in the order given. All prompts of a step come in one call, so that a labeler may batch them, or
   * ask for them concurrently, as suits it.
   */
  judge(prompts: Candidates[]): Promise<Verdict[][]>;
}
