/** The current details of workflows: Markdown for the page of a run or a round in Temporal's UI. */
import { STEPS, type RoundStatus, type RunStatus } from './status.ts';

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** The state of a run, and a line for each finished round. */
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

/** The steps of a round, with the number of their finished activities. */
export const describeRound = ({ steps }: RoundStatus): string =>
  STEPS.map((name) => {
    const { state, done, total } = steps[name];
    return `- ${name}: ${state}${state === 'waiting' ? '' : `, ${done} of ${total} activities`}`;
  }).join('\n');
