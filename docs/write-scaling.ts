/** `npm run docs`: writes scaling.md, a simulated day of the deployment's scaling policies. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { POOLS, type PoolName } from '../config/pools.ts';
import type { Day } from '../test/cdk/simulated-day.ts';
import { RELEASE, theDay } from '../test/cdk/the-day.ts';

export const SCALING_PAGE = fileURLToPath(new URL('scaling.md', import.meta.url));

const INTRODUCTION = `
# Scaling

<!-- Written by \`npm run docs\`: test/cdk/simulated-day.ts drives the policies of the synthesized template. -->

A day of the GPU workers of a deployment with both pools and their default settings, minute by minute. The alarms, scaling steps and limits
are those of the template. AWS and the work are simulated:

- A worker of the pool \`single\` needs 6 minutes to start, one of the pool \`node\` 12 minutes. A running spot worker is lost once in two
  hours of its time. From 16:30 to 18:30 there is no spot capacity.
- A round on \`single\` is 12 shards of sampling, 4 of scoring, a training of 45 minutes and 4 shards of evaluation. These rounds start at
  02:00, 09:00, 09:20 and 17:00. A training that loses its worker resumes where it was: its checkpoint fits into the notice of two minutes.
- A round on \`node\` is 4 shards of sampling, 2 of scoring, a training of 150 minutes and 2 shards of evaluation. These rounds start at
  03:00, 11:00 and 13:30. A training that loses its worker resumes from its last checkpoint, which is up to 15 minutes old.
- At 13:00 version 2 is deployed, while the round of 11:00 trains on a node of version 1.

Each line is an hour, with its greatest numbers; hours without demand and workers are left out.
`;

const HEAD =
  '| hour | demand | spot workers | on-demand workers | spot workers lost | ended by scaling | of these at work | jobs done |';

const clock = (minute: number) =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

function tableOf({ minutes, rounds }: Day, pool: PoolName): string[] {
  const own = minutes.map((minute) => minute[pool]);
  const rows = Array.from({ length: 24 }, (_, hour) => {
    const hours = own.slice(hour * 60, (hour + 1) * 60);
    const most = (key: 'demand' | 'spot' | 'onDemand') => Math.max(...hours.map((minute) => minute[key]));
    const sum = (key: 'lost' | 'ended' | 'endedAtWork' | 'jobsDone') =>
      hours.reduce((total, minute) => total + minute[key], 0);
    const numbers = [
      most('demand'),
      most('spot'),
      most('onDemand'),
      sum('lost'),
      sum('ended'),
      sum('endedAtWork'),
      sum('jobsDone'),
    ];
    return numbers.some((number) => number > 0) ? [`| ${clock(hour * 60)} | ${numbers.join(' | ')} |`] : [];
  });
  const total = (key: 'spot' | 'onDemand' | 'working') => own.reduce((sum, minute) => sum + minute[key], 0) / 60;
  const there = (total('spot') + total('onDemand')).toFixed(1);
  const ended = rounds.filter((round) => round.pool === pool && round.done !== undefined).length;
  return [
    `## Pool ${pool}`,
    '',
    HEAD,
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.flat(),
    '',
    `All ${ended} rounds end. The workers were there for ${there} hours, ${total('onDemand').toFixed(1)} of them on demand, ` +
      `and worked for ${total('working').toFixed(1)}.`,
    '',
  ];
}

/** What the deployment at RELEASE changes for the pool `node`. */
function deploymentOf({ minutes, rounds }: Day): string {
  const old = rounds.find(({ pool, version, done }) => pool === 'node' && version === '1' && done! > RELEASE)!;
  const isThere = (version: string) => minutes.map(({ node }) => (node.versions[version] ?? 0) > 0);
  const [gone, first] = [isThere('1').lastIndexOf(true) + 1, isThere('2').indexOf(true)].map(clock);
  return (
    `At ${clock(RELEASE)} the services of version 2 are added, with no task. Those of version 1 stay as they are: they follow the ` +
    `demand of the runs of version 1, start another worker after each loss, and have none again at ${gone}, after the round has ended ` +
    `at ${clock(old.done!)}. The first node of version 2 works from ${first}, for the round of 13:30: it does not wait.`
  );
}

/** The text of docs/scaling.md. */
export async function scalingPage(): Promise<string> {
  const day = theDay();
  const page = [
    INTRODUCTION,
    ...POOLS.flatMap((pool) => tableOf(day, pool)),
    '## The deployment',
    '',
    deploymentOf(day),
  ];
  return format(page.join('\n'), { ...(await resolveConfig(SCALING_PAGE)), parser: 'markdown', proseWrap: 'preserve' });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(SCALING_PAGE, await scalingPage());
