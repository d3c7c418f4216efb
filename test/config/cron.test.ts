/** Cron expressions of a deployment: what is refused before it is deployed is what a real Temporal server refuses. */
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cronProblem } from '../../config/cron.ts';
import { createSchedule } from '../../workers/runs/schedules.ts';
import { readConfig } from '../../config/load.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';

let server: DevServer;
let client: Client;
beforeAll(async () => {
  server = await startDevServer();
  client = new Client({ connection: await Connection.connect({ address: server.address }) });
});
afterAll(async () => {
  await client.connection.close();
  server.stop();
});

const ACCEPTED = [
  '0 3 * * 1',
  '  0   3 * * 1  ',
  '*/15 8-18/2 1,15 jan-mar,December mon-FRI',
  '+0 03 31 12 7',
  '59 23 31 feb su',
  '5/10 * * * 5-7/2',
  '0/90 0-23 * * thu-7,tues',
  '0 3 * * 1 2030',
  '30 0 3 * * 1 2030-2040/2,*',
  '0 3 * * MON#1 the rest is a comment',
  '@daily',
  '@midnight # comment',
  '@every 12h',
  '@every 1.5h30m/.5s',
  '@every 2d/0',
  'TZ=UTC 0 3 * * 1',
  'CRON_TZ=UTC @weekly',
  'TZ= 0 3 * * 1',
];
const REFUSED = [
  '',
  '0 3 * *',
  '0 0 0 3 * * 1 2030',
  '99 77 * * 9',
  '60 3 * * 1',
  '0 24 * * 1',
  '0 3 0 * 1',
  '0 3 32 * 1',
  '0 3 * 0 1',
  '0 3 * 13 1',
  '0 3 * * 8',
  '0 3 * ja 1',
  '0 3 * * m',
  '0 3 * * fri-mon',
  '0 3 * * fri-sun',
  '30-10 3 * * 1',
  '0,,5 3 * * 1',
  '0, 3 * * 1',
  '-5 3 * * 1',
  '1-2-3 3 * * 1',
  '*-5 3 * * 1',
  '1/2/3 3 * * 1',
  '0/ 3 * * 1',
  '*/0 3 * * 1',
  '*/-1 3 * * 1',
  '1.5 3 * * 1',
  'x 3 * * 1',
  '? 3 * * 1',
  '0 3 L * 1',
  '0 3 * * 1 1999',
  '0 3 * * 1 2101',
  '60 0 3 * * 1 2030',
  '@fortnightly',
  '@every',
  '@every day',
  '@every 0.5s',
  '@every 1h/1h',
  'TZ=UTC',
  'TZ=Europe/Berlin 0 3 * * 1',
];

it.each([...ACCEPTED.map((cron) => [cron, true] as const), ...REFUSED.map((cron) => [cron, false] as const)])(
  '"%s" is accepted: %s, here and by the server',
  async (cron, accepted) => {
    expect(cronProblem(cron, 'UTC') === undefined).toBe(accepted);
    const name = `run-${[...ACCEPTED, ...REFUSED].indexOf(cron)}`;
    const config = readConfig('test', { name, model: 'org/m', prompts: { train: 'org/d', heldOut: 9 } }, '.');
    const created = createSchedule(client, config, { cron, timezone: 'UTC', overlap: 'skip' });
    if (accepted) await expect(created).resolves.toBeUndefined();
    else await expect(created).rejects.toThrow('The schedule is not valid');
  },
);
