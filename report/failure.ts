/** Messages about a run's failures and decisions, for the command line, the report and the web pages. */
import { BENCHMARKS, culpritOf, VOTES_MISSING, type Failure } from '../workflows/failure.ts';
import { BUDGET_SPENT } from '../workflows/spending.ts';
import type { RunStatus } from '../workflows/status.ts';

/** Describes a failure: step, time and reason, and on a second line the commands to continue or end the run. */
export function describeFailure({ name, spent }: RunStatus, failure: Failure): string {
  const { step, activity, round, since, message, retryAt, type } = failure;
  if (type === BUDGET_SPENT) {
    return `Waits since ${since}: ${message}.\nselm retry ${name} --set budget.usd=${2 * spent!.of} | selm stop ${name}`;
  }
  if (type === VOTES_MISSING) {
    const commands = [
      `retry ${name} --set label.deadline=HOURS`,
      `label close ${name}`,
      `skip ${name}`,
      `stop ${name}`,
    ];
    return `Waits since ${since}: ${message}.\n${commands.map((command) => `selm ${command}`).join(' | ')}`;
  }
  const place = [...(round === undefined ? [] : [`round ${round}`]), culpritOf(failure)].join(', ');
  const culprit = activity === undefined || activity === step ? '' : ` (activity ${activity})`;
  const commands = ['retry', ...(round === undefined && step !== BENCHMARKS ? [] : ['skip']), 'stop'].map(
    (verb) => `selm ${verb} ${name}`,
  );
  return [
    `Failed in ${place}${culprit}, since ${since}: ${message}`,
    `${retryAt === undefined ? 'The run waits for a decision' : `It is retried at ${retryAt}; to decide before`}: ${commands.join(' | ')}`,
  ].join('\n');
}

/** Whether a run waits for a decision of the operator. */
export const waitsForDecision = ({ state, failure }: RunStatus): boolean =>
  state === 'paused' || (failure !== undefined && failure.retryAt === undefined);

/** A message for each skipped round. */
export const skippedLines = ({ skipped, rounds }: RunStatus): string[] =>
  skipped.map((round) => `Round ${round} of ${rounds} is skipped.`);

/** Message for a scheduled run that ended immediately. */
export const NO_NEW_PROMPTS = 'Runs of this name have used all prompts: nothing was done.';

/** A message about the spent budget. @param gpuSeconds time of GPU workers, in seconds */
export const spentLine = ({ usd, of }: NonNullable<RunStatus['spent']>, gpuSeconds: number): string =>
  `Spent ${usd.toFixed(2)} of ${of} US dollars on ${(gpuSeconds / 3600).toFixed(2)} hours of GPU workers, in rounds that have ended.`;
