/** `npm run docs`: writes scaling.md, a simulated day of the deployment's scaling policies. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { theDay } from '../test/cdk/the-day.ts';

export const SCALING_PAGE = fileURLToPath(new URL('scaling.md', import.meta.url));

const INTRODUCTION = `
# Scaling

<!-- Written by \`npm run docs\`: test/cdk/simulated-day.ts drives the policies of the synthesized template. -->

A day of the GPU workers of a deployment with its default settings, minute by minute, by the alarms and steps that CloudFormation gets.
AWS is simulated: a worker needs 6 minutes to start, a running spot worker is lost once in two hours of its time, and from 16:30 to 18:30 no spot
instance is to be had. A round is 12 shards of sampling, 4 of scoring, a training of 45 minutes and 4 shards of evaluation; rounds
start at 02:00, 09:00, 09:20 and 17:00. Each line is an hour, with its greatest numbers.
`;

export async function scalingPage(): Promise<string> {
  const { minutes, rounds } = theDay();
  const hours = Array.from({ length: 24 }, (_, hour) => minutes.slice(hour * 60, (hour + 1) * 60));
  const rows = hours.map((hour, at) => {
    const most = (key: 'demand' | 'spot' | 'onDemand') => Math.max(...hour.map((minute) => minute[key]));
    const sum = (key: 'lost' | 'ended' | 'endedAtWork' | 'jobsDone') =>
      hour.reduce((total, minute) => total + minute[key], 0);
    return `| ${String(at).padStart(2, '0')}:00 | ${[most('demand'), most('spot'), most('onDemand'), sum('lost'), sum('ended'), sum('endedAtWork'), sum('jobsDone')].join(' | ')} |`;
  });
  const total = (key: 'spot' | 'onDemand' | 'working') => minutes.reduce((sum, minute) => sum + minute[key], 0) / 60;
  const page = [
    INTRODUCTION,
    '| hour | demand | spot workers | on-demand workers | spot workers lost | ended by scaling | of these at work | jobs done |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    `All ${rounds.filter(({ done }) => done !== undefined).length} rounds end. The workers were there for ${(total('spot') + total('onDemand')).toFixed(1)} hours, ${total('onDemand').toFixed(1)} of them on demand, and worked for ${total('working').toFixed(1)}; for the rest of the day there were none.`,
  ].join('\n');
  return format(page, { ...(await resolveConfig(SCALING_PAGE)), parser: 'markdown', proseWrap: 'preserve' });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(SCALING_PAGE, await scalingPage());
