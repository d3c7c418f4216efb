/** The sentence of README that says which objective to take. */
import type { StudyResults } from './results.ts';
import { verdict } from './verdict.ts';

const MARKED = /(<!-- study -->)[^]*?(<!-- end of study -->)/;

/** README with the sentence that the results give. */
export const withVerdict = (readme: string, all: StudyResults[]): string =>
  readme.replace(MARKED, (_, begin: string, end: string) => `${begin} ${verdict(all)} ${end}`);
