/** The current details of workflows: Markdown for the page of a run or a round in Temporal's UI. */
import { percent } from '../data/numbers.ts';
import { culpritOf } from './failure.ts';
import { STEPS, type RoundStatus, type RunStatus, type VotingStatus } from './status.ts';

/** The state of a run, and a line for each finished round. */
export function describeRun({
  state,
  round,
  rounds,
  policy,
  results,
  failure,
  publication,
  requested,
  voting,
}: RunStatus): string {
  const where = round === undefined ? '' : `, round ${round} of ${rounds}`;
  const lines = results.map(({ round: number, accepted, evaluation }) => {
    const rate = evaluation.against ? `, win rate over the start ${percent(evaluation.against.winRate)}` : '';
    return `- round ${number}: ${accepted ? 'accepted' : 'rolled back'}${rate}`;
  });
  return [
    `**${state}**${where}${requested ? ` (${requested} requested)` : ''}`,
    ...(voting ? describeVoting(voting) : []),
    ...(failure
      ? [`- ${failure.benchmark === undefined ? failure.step : culpritOf(failure)} failed: ${failure.message}`]
      : []),
    ...lines,
    ...(publication === undefined ? [] : [`- ${publication}`]),
    ...(policy === undefined ? [] : [`- policy: \`${policy}\``]),
  ].join('\n');
}

/** The steps of a round, with the number of their finished activities. */
export const describeRound = ({ steps, voting }: RoundStatus): string =>
  [
    ...STEPS.map((name) => {
      const { state, done, total } = steps[name];
      return `- ${name}: ${state}${state === 'waiting' ? '' : `, ${done} of ${total} activities`}`;
    }),
    ...(voting ? describeVoting(voting) : []),
  ].join('\n');

/** How many votes are in, from whom, at what rate and until when, and where people vote. The pages of the blocks' workflows have each vote as it comes. */
function describeVoting(voting: VotingStatus): string[] {
  const { asked, votes, usedUp, byPerson, deadline, closing, blocks } = voting;
  const people = Object.entries(byPerson).map(([person, count]) => `${person} ${count}`);
  return [
    `- ${closing ? 'closes the voting' : 'waits for people'}: at least ${votes} of ${asked} votes are in, ${blocks} workflows \`votes-…\` take them`,
    ...(usedUp === 0 ? [] : [`- ${usedUp} of the ${asked} will not come: skips have used them up`]),
    ...(people.length === 0 ? [] : [`- votes by ${people.join(', ')}`]),
    ...(closing ? [] : pace(voting)),
    ...(deadline === undefined ? [] : [`- deadline: ${deadline}`]),
    ...(closing ? [] : ['- people vote on the page that `selm ui --label` serves']),
  ];
}

const [HOUR, MINUTE] = [3600_000, 60_000];

/** The mean rate since the first vote, and when all votes are in at this rate. */
function pace({ asked, votes, usedUp, first }: VotingStatus): string[] {
  if (first === undefined) return [];
  const now = Date.now();
  const perHour = (votes * HOUR) / Math.max(MINUTE, now - Date.parse(first));
  const end = new Date(now + ((asked - votes - usedUp) / perHour) * HOUR).toISOString();
  return [
    `- ${perHour < 10 ? perHour.toFixed(1) : Math.round(perHour)} votes an hour since the first one: all by ${end}`,
  ];
}
