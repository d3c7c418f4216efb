/** Shares of votes by class, and the class that is ahead. */

/** A vote: the class that a person gave to a question. */
export interface ClassVote<Class extends string = string> {
  question: string;
  person: string;
  class: Class;
}

/** How probable each class of a question is; the values sum to 1. A class without votes in all questions may be absent. */
export type Distribution<Class extends string = string> = Partial<Record<Class, number>>;

/**
 * The share of each class in a question's votes, as crowd-kit's MajorityVote: p(c) = n_c / sum_k n_k. The majority is the class with
 * the largest share (`strictlyLargest`).
 */
export function majority<Class extends string>(votes: ClassVote<Class>[]): Map<string, Distribution<Class>> {
  const shares = new Map<string, Distribution<Class>>();
  for (const [question, of] of byQuestion(votes)) {
    const distribution: Distribution<Class> = {};
    for (const { class: given } of of) distribution[given] = (distribution[given] ?? 0) + 1 / of.length;
    shares.set(question, distribution);
  }
  return shares;
}

/** The votes of each question, in the order of the questions' first votes. */
export function byQuestion<Vote extends { question: string }>(votes: Vote[]): Map<string, Vote[]> {
  const groups = new Map<string, Vote[]>();
  for (const vote of votes) {
    const group = groups.get(vote.question);
    if (group) group.push(vote);
    else groups.set(vote.question, [vote]);
  }
  return groups;
}

/** Probabilities that differ by less are equal: they differ by rounding only. */
const ROUNDING = 1e-9;

/** The class that is more probable than every other; undefined if there is a tie. */
export function strictlyLargest<Class extends string>(distribution: Distribution<Class>): Class | undefined {
  const sorted = (Object.entries(distribution) as [Class, number][]).sort(([, a], [, b]) => b - a);
  const [first, second] = sorted;
  return first && first[1] - (second?.[1] ?? 0) > ROUNDING ? first[0] : undefined;
}
