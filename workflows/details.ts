/** The current details of workflows: Markdown that Temporal's UI shows on the page of a run or a round. */
import { STEPS, type RoundStatus, type RunStatus } from './status.ts';

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Where a run is, and a line for each round that has ended. */
export function describeRun({ state, round, rounds, policy, results, failure, requested }: RunStatus): string {
  const where = round === undefined ? '' : `, round ${round} of ${rounds}`;
  const lines = results.map(({ round: number, accepted, evaluation }) => {
    const rate = evaluation.against ? `, win rate over the start ${percent(evaluation.against.winRate)}` : '';
    return `- round ${number}: ${accepted ? 'accepted' : 'rolled back'}${rate}`;
  });
  return [
    `**${state}**${where}${requested ? ` (${requested} requested)` : ''}`,
    ...(failure ? [`- ${failure.step} failed: ${failure.message}`] : []),
    ...lines,
    ...(policy === undefined ? [] : [`- policy: \`${policy}\``]),
  ].join('\n');
}

/** The steps of a round, with how many of their activities have ended. */
export const describeRound = ({ steps }: RoundStatus): string =>
  STEPS.map((name) => {
    const { state, done, total } = steps[name];
    return `- ${name}: ${state}${state === 'waiting' ? '' : `, ${done} of ${total} activities`}`;
  }).join('\n');
