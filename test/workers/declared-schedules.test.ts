/** Declared schedules, on a real server. */
import { Connection, Client } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { declareSchedules, type Declared } from '../../workers/runs/declared-schedules.ts';
import { createSchedule, scheduleId } from '../../workers/runs/schedules.ts';
import { readConfig } from '../../config/load.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';

let server: DevServer;
let connection: Connection;
let client: Client;
beforeAll(async () => {
  server = await startDevServer();
  connection = await Connection.connect({ address: server.address });
  client = new Client({ connection });
  await createSchedule(client, declared('hand').config, declared('hand').calendar);
});
afterAll(async () => {
  await connection.close();
  server.stop();
});
beforeEach(() => (process.env['SELM_DEPLOYMENT'] = 'one'));

function declared(name: string, cron = '0 3 * * 1', rounds = 1): Declared {
  const document = { name, rounds, model: 'org/model', prompts: { train: 'org/data', heldOut: 8 } };
  return { config: readConfig('test', document, '.'), calendar: { cron, timezone: 'UTC', overlap: 'skip' } };
}

const describeOf = (name: string) => client.schedule.getHandle(scheduleId(name)).describe();
const hourOf = async (name: string) => (await describeOf(name)).spec.calendars?.[0]?.hour?.[0]?.start;
/** The listing follows what is done with a delay. */
const names = async () => {
  const ids: string[] = [];
  for await (const { scheduleId: id } of client.schedule.list()) ids.push(id.replace('selm-schedule-', ''));
  return ids.sort();
};
const listed = (wanted: string[]) => expect.poll(names).toEqual(wanted);

it('two workers that start at once make each once', async () => {
  const both = [declared('a'), declared('b')];
  await Promise.all([declareSchedules(client, both), declareSchedules(client, both)]);
  await listed(['a', 'b', 'hand']);
});

it('a changed one is made anew and stays paused', async () => {
  await client.schedule.getHandle(scheduleId('a')).pause();
  await declareSchedules(client, [declared('a', '0 5 * * 1', 3), declared('b')]);
  expect(await hourOf('a')).toBe(5);
  const { state, action } = await describeOf('a');
  expect(state.paused).toBe(true);
  expect((action.args![0] as { rounds: number }).rounds).toBe(3);
  expect(await hourOf('b')).toBe(3);
  await listed(['a', 'b', 'hand']);
});

it("one that is no longer declared goes; another deployment's and a hand-made one stay", async () => {
  process.env['SELM_DEPLOYMENT'] = 'two';
  await declareSchedules(client, [declared('c')]);
  await listed(['a', 'b', 'c', 'hand']);
  process.env['SELM_DEPLOYMENT'] = 'one';
  await declareSchedules(client, [declared('b')]);
  await listed(['b', 'c', 'hand']);
});

it('a hand-made one of the same name is not taken over', async () => {
  await expect(declareSchedules(client, [declared('b'), declared('hand', '0 9 * * 1')])).rejects.toThrow(
    'schedule "hand" was made by hand or by another deployment; delete it first',
  );
  expect(await hourOf('hand')).toBe(3);
});
