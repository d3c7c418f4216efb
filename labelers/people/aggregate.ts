/** Makes one answer of the votes on each question. */
import { dawidSkene } from './agreement/dawid-skene.ts';
import { byQuestion, majority, strictlyLargest, type ClassVote, type Distribution } from './agreement/majority.ts';
import type { VoteRecord } from './protocol.ts';

/** The classes of votes. `first` and `second`: that response of the question's `candidates` is better. */
export type VoteClass = 'first' | 'second' | 'tie' | 'both-bad';

/** What of a vote the answers depend on. */
export type CountedVote = Pick<VoteRecord, 'question' | 'person' | 'choice' | 'repeat'>;

export interface AggregateSettings {
  /** Shares of votes, or the posterior of the model of Dawid and Skene over all votes. */
  aggregation: 'majority' | 'dawid-skene';
  /** People whose votes do not count. */
  leaveOut: string[];
  /** The ids of gold questions: their answer is known. */
  gold: ReadonlySet<string>;
}

/** The answer of the votes on a question. */
export interface Outcome {
  /** The better response, 0 or 1. `none`: no class is ahead of all others. */
  winner: 0 | 1 | 'tie' | 'both-bad' | 'none';
  /**
   * P(winner) / (P(first) + P(second)), with the shares of votes or with the posterior as P: above 1/2. Only if a response is better.
   */
  confidence?: number;
  /** The votes that count. */
  votes: number;
}

export interface Aggregate {
  /** By question. Questions without a vote that counts are absent. */
  outcomes: Map<string, Outcome>;
  /** The votes that do not count, each by the first reason that applies. */
  excluded: { leftOut: number; gold: number; repeats: number };
}

/**
 * Makes one answer of the votes on each question. Votes of people who are left out, votes on gold questions and votes on repeated
 * questions do not count. A response wins only if its class is more probable than every other class.
 * @param votes all votes of a round: Dawid and Skene's model learns a person's error rates from all of them
 */
export function aggregate(votes: CountedVote[], { aggregation, leaveOut, gold }: AggregateSettings): Aggregate {
  const excluded = { leftOut: 0, gold: 0, repeats: 0 };
  const reasonFor = ({ person, question, repeat }: CountedVote) =>
    leaveOut.includes(person) ? 'leftOut' : gold.has(question) ? 'gold' : repeat ? 'repeats' : undefined;
  const counted = votes.filter((vote) => {
    const reason = reasonFor(vote);
    if (reason) excluded[reason]++;
    return !reason;
  });
  const classVotes = counted.map(toClassVote);
  const distributions = aggregation === 'majority' ? majority(classVotes) : dawidSkene(classVotes).posterior;
  const outcomes = new Map(
    [...byQuestion(counted)].map(([question, { length }]) => [
      question,
      { ...answerOf(distributions.get(question)!), votes: length },
    ]),
  );
  return { outcomes, excluded };
}

/** A vote as the measures of agreement read it. */
export const toClassVote = ({ question, person, choice }: CountedVote): ClassVote<VoteClass> => ({
  question,
  person,
  class: choice === 0 ? 'first' : choice === 1 ? 'second' : choice,
});

function answerOf(distribution: Distribution<VoteClass>): Omit<Outcome, 'votes'> {
  const { first = 0, second = 0 } = distribution;
  switch (strictlyLargest(distribution)) {
    case 'first':
      return { winner: 0, confidence: first / (first + second) };
    case 'second':
      return { winner: 1, confidence: second / (first + second) };
    case undefined:
      return { winner: 'none' };
    case 'tie':
      return { winner: 'tie' };
    case 'both-bad':
      return { winner: 'both-bad' };
  }
}
