/** Table rows of released policies. */
import type { NamedRelease } from '../activities/release.ts';
import type { RunConfig } from '../config/run.ts';
import type { Change } from '../config/changes.ts';
import type { RoundResult } from '../workflows/status.ts';
import { scores, winRate } from './rounds.ts';

/** The headings of the table of policies. */
export const POLICIES_HEAD = [
  'policy',
  'run',
  'rounds accepted',
  'strict pass',
  'mean score',
  'win rate over start',
  'artifact',
];

/** The run that produced a release. */
export interface Lineage {
  run: string;
  config: RunConfig;
  changes: Change[];
  results: RoundResult[];
}

/** The lineage that the activity `release` recorded. */
export const lineageOf = ({ release }: NamedRelease) => release.lineage as Lineage;

/** A row of the table of policies, with the columns of POLICIES_HEAD. */
export function policyRow(named: NamedRelease): string[] {
  const { run, results } = lineageOf(named);
  const last = results.findLast(({ accepted }) => accepted);
  const accepted = `${results.filter((result) => result.accepted).length} of ${results.length}`;
  const numbers = last ? [...scores(last.evaluation), winRate(last.evaluation)] : ['', '', ''];
  return [`${named.name}@${named.version}`, run, accepted, ...numbers, named.release.policy.slice(0, 12)];
}
