/** How well people answer the questions of a round: by person, and how far they agree. */
import { verdictOn } from '../../labelers/labels.ts';
import type { LabelRecord } from '../../data/records.ts';
import { tally } from '../../data/tally.ts';
import { toClassVote } from '../../labelers/people/aggregate.ts';
import { byQuestion } from '../../labelers/people/agreement/majority.ts';
import type { QuestionRecord, SkipReason, SkipRecord, VoteRecord } from '../../labelers/people/protocol.ts';
import { notVotedNote } from '../../labelers/people/votes-note.ts';
import { quantile, wilsonInterval, type Interval } from '../statistics.ts';
import { bootstrapAlpha, type AlphaEstimate } from './alpha.ts';

/** What people were asked in a round and what they answered. */
export interface RoundVotes {
  questions: QuestionRecord[];
  votes: VoteRecord[];
  skips: SkipRecord[];
  /** Labels of the labeler for prompts that nobody was asked about (`label.otherwise`), which scores the asked ones too. */
  otherwise?: LabelRecord[];
  /** People whose votes do not count. */
  leaveOut: string[];
  /** The people with votes on questions of earlier rounds. Default: nobody. */
  earlierVoters?: string[];
}

/** How many of some answers have a property. */
export interface Share {
  count: number;
  of: number;
}

/** The answers of a person. */
export interface PersonQuality {
  person: string;
  /** Whether the person's votes do not count (`label.leaveOut`). */
  leftOut?: true;
  /** All votes, with those on gold questions and repeats. */
  votes: number;
  skips: Partial<Record<SkipReason, number>>;
  /** Votes for the response on the left, of the votes for a response. */
  left: Share & { interval?: Interval };
  /** Median time of a vote, in seconds. */
  seconds?: number;
  /** Right answers to gold questions. A tie is wrong. */
  gold: Share;
  /** Repeats with the same answer as the first time, when the order was the other one. */
  repeats: Share;
  /** Votes of others on the same questions that are the same; neither gold nor repeats. */
  others: Share;
  /** Votes for the response to which `label.otherwise` gives the higher score, of the votes for a response where its scores differ. */
  otherwise?: Share;
}

/** The quality of a round's votes. */
export interface Quality {
  people: PersonQuality[];
  /** Krippendorff's alpha of the votes that count. Absent if fewer than two people answered the same question, or all answers are equal. */
  alpha?: AlphaEstimate;
  /** A sentence if people who are left out have not voted. */
  notVoted?: string;
}

/** @param seed of the bootstrap interval */
export function qualityOf(voting: RoundVotes, seed = 0): Quality {
  const { votes, skips, questions, leaveOut, earlierVoters = [] } = voting;
  const gold = new Map(questions.map(({ id, gold: known }) => [id, known]));
  const counted = votes.filter(({ question, repeat }) => !repeat && gold.get(question) === undefined);
  const together = byQuestion(counted);
  const better = betterByLabeler(voting);
  const names = [...new Set([...votes, ...skips].map(({ person }) => person))].sort();
  const people = names.map((person): PersonQuality => {
    const own = votes.filter((vote) => vote.person === person);
    const ownCounted = counted.filter((vote) => vote.person === person);
    return {
      person,
      ...(leaveOut.includes(person) && { leftOut: true }),
      votes: own.length,
      skips: tally(skips.filter((skip) => skip.person === person).map(({ skip }) => skip)),
      left: leftShare(own),
      ...(own.length > 0 && { seconds: median(own.map(({ seconds }) => seconds)) }),
      gold: share(
        own.filter(({ question }) => gold.get(question) !== undefined),
        ({ question, choice }) => choice === gold.get(question),
      ),
      repeats: repeatsOf(own),
      others: share(
        ownCounted.flatMap((vote) =>
          together
            .get(vote.question)!
            .filter((other) => other.person !== person)
            .map((other) => other.choice === vote.choice),
        ),
        Boolean,
      ),
      ...(better && {
        otherwise: share(
          ownCounted.filter(({ question, choice }) => isResponse(choice) && better.has(question)),
          ({ question, choice }) => choice === better.get(question),
        ),
      }),
    };
  });
  const inForce = byQuestion(counted.filter(({ person }) => !leaveOut.includes(person)));
  const classes = [...inForce.values()].map((of) => of.map((vote) => toClassVote(vote).class));
  const alpha = bootstrapAlpha(classes, seed);
  const notVoted = notVotedNote(leaveOut, [...votes.map(({ person }) => person), ...earlierVoters]);
  return { people, ...(alpha && { alpha }), ...(notVoted !== undefined && { notVoted }) };
}

/** Whether a choice prefers a response. */
const isResponse = (choice: VoteRecord['choice']): choice is 0 | 1 => choice === 0 || choice === 1;

function share<T>(all: T[], is: (one: T) => boolean): Share {
  return { count: all.filter(is).length, of: all.length };
}

function leftShare(votes: VoteRecord[]): PersonQuality['left'] {
  const left = share(
    votes.filter(({ choice }) => isResponse(choice)),
    ({ choice, left: shown }) => choice === shown,
  );
  return { ...left, ...(left.of > 0 && { interval: wilsonInterval(left.count, left.of) }) };
}

/** Compares a person's repeats with the person's first votes on the same questions. */
function repeatsOf(votes: VoteRecord[]): Share {
  const first = new Map(votes.filter(({ repeat }) => !repeat).map(({ question, choice }) => [question, choice]));
  const repeats = votes.filter(({ question, repeat }) => repeat && first.has(question));
  return share(repeats, ({ question, choice }) => choice === first.get(question));
}

const median = (values: number[]) => quantile(Float64Array.from(values).sort(), 0.5);

/** The response to which the labeler `otherwise` gives the higher score, for each question where it scored both differently. */
function betterByLabeler({ questions, otherwise }: RoundVotes): Map<string, 0 | 1> | undefined {
  if (!otherwise) return undefined;
  const labels = new Map(otherwise.map((label) => [label.id, label]));
  return new Map(
    questions.flatMap(({ id, prompt_id: prompt, candidates, gold }): [string, 0 | 1][] => {
      const label = gold === undefined ? labels.get(prompt) : undefined;
      if (!label) return [];
      const [first, second] = candidates.map((index) => verdictOn(label, index)?.score);
      if (first === undefined || second === undefined || first === second) return [];
      return [[id, first > second ? 0 : 1]];
    }),
  );
}
