/** Signs that a person's answers say little, or that people do not agree. */
import type { PersonQuality, Quality, Share } from './quality.ts';

/** Fewer answers than this give no warning. */
const FEWEST = 5;
/** People who read two responses need longer. */
const SECONDS = 2;

/** A sentence for each sign, with its numbers. */
export const qualityWarnings = ({ people, alpha, notVoted }: Quality): string[] => [
  ...(notVoted === undefined ? [] : [notVoted]),
  ...people.flatMap(personWarnings),
  ...(alpha?.interval && alpha.questions >= FEWEST && alpha.interval.low <= 0
    ? [
        "The agreement of people may be by chance: Krippendorff's alpha has the interval " +
          `[${alpha.interval.low.toFixed(2)}, ${alpha.interval.high.toFixed(2)}]; ` +
          'make the guidelines clearer, or ask about more questions.',
      ]
    : []),
];

function personWarnings({ person, votes, left, seconds, gold, repeats }: PersonQuality): string[] {
  const { interval } = left;
  const isBiased = interval && left.of >= FEWEST && (interval.low > 0.5 || interval.high < 0.5);
  return [
    ...(isBiased
      ? [
          `${person} votes for the ${interval.low > 0.5 ? 'left' : 'right'} response more often than chance explains: ` +
            `${left.count} of ${left.of} votes are for the left one, where about half are expected.`,
        ]
      : []),
    ...(isBelowHalf(gold) ? [`${person} answered ${gold.count} of ${gold.of} gold questions right.`] : []),
    ...(isBelowHalf(repeats)
      ? [`${person} gave ${repeats.count} of ${repeats.of} repeated questions the same answer again.`]
      : []),
    ...(votes >= FEWEST && seconds !== undefined && seconds < SECONDS
      ? [`${person} takes ${seconds.toFixed(1)} seconds for a vote (median): too short to read two responses.`]
      : []),
  ];
}

/** Below what guessing between two responses gives. */
const isBelowHalf = ({ count, of }: Share) => of >= FEWEST && count < of / 2;
