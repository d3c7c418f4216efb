/** What the study compares after the last round. */
import { BASELINE } from './methods.ts';
import { afterRound, differenceInValue, type StudyResults, type ValueOf } from './results.ts';
import type { Estimate } from './statistics.ts';
import { fixed, percent } from './tables.ts';

/** A measure of a run. */
export interface Measure {
  title: string;
  /** Its unit in the table of differences. */
  unit: string;
  show: (value: number) => string;
  of: ValueOf;
  /** Whether more of it is better. Absent if it is neither better nor worse. */
  better?: boolean;
}

/** The measures, for results of so many rounds. */
export const measuresOf = ({ settings: { rounds } }: StudyResults): Measure[] => {
  return [
    { title: 'strict pass, %', unit: 'points', show: percent, of: afterRound(rounds, 'strictPassRate'), better: true },
    { title: 'coverage, %', unit: 'points', show: percent, of: ({ fresh }) => fresh?.coverage, better: true },
    { title: 'distinct', unit: 'responses', show: fixed(2), of: ({ fresh }) => fresh?.distinct },
    {
      title: 'reward accuracy, %',
      unit: 'points',
      show: percent,
      of: ({ fresh }) => fresh?.rewardAccuracy,
      better: true,
    },
    { title: 'KL', unit: 'nats', show: fixed(2), of: ({ fresh }) => fresh?.kl },
    { title: 'tokens', unit: 'tokens', show: fixed(2), of: afterRound(rounds, 'tokens') },
  ];
};

/** The methods that are compared with the baseline. */
export const othersOf = ({ methods }: StudyResults): string[] => methods.filter((name) => name !== BASELINE);

/** The number of comparisons of a task: all measures of all methods. */
export const comparisonsOf = (results: StudyResults): number =>
  Math.max(1, othersOf(results).length * measuresOf(results).length);

/** The difference to the baseline after the last round, with an interval that is corrected for all comparisons of the task. */
export const correctedDifference = (results: StudyResults, method: string, { of }: Measure): Estimate | undefined =>
  differenceInValue(results, method, of, BASELINE, comparisonsOf(results));
