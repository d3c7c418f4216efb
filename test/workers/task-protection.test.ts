/** Task protection against a local server in the ECS agent's place: there is no ECS here, only its documented requests. */
import { expect, test } from 'vitest';
import { startRecording } from '../recording-server.ts';
import { TaskProtection } from '../../workers/task-protection.ts';

const enabled = '{"ProtectionEnabled":true,"ExpiresInMinutes":60}';
const disabled = '{"ProtectionEnabled":false}';

test('activities in close succession are protected once, and given up after the last', async () => {
  const agent = await startRecording();
  const protection = new TaskProtection(agent.url, expect.unreachable, 0.2);
  const [first, second] = [protection.begin(), protection.begin()];
  first();
  second();
  protection.begin()();
  await expect.poll(() => agent.requests.map(({ body }) => body)).toEqual([enabled, disabled]);
  await protection.close();
  expect(agent.requests).toHaveLength(2);
});

test('an agent that refuses or is missing is reported, and does not fail the work', async () => {
  const refusing = await startRecording(() => [200, { failure: { Reason: 'DEPLOYMENT_BLOCKED' } }]);
  const warnings: string[] = [];
  for (const url of [refusing.url, 'http://127.0.0.1:9']) {
    const protection = new TaskProtection(url, (message) => warnings.push(message));
    protection.begin()();
    await protection.close();
  }
  expect(warnings[0]).toBe('The ECS task is not protected as it should be (DEPLOYMENT_BLOCKED); the work goes on.');
  expect(warnings.at(-1)).toMatch(/not protected as it should be \(.+\); the work goes on/);
});
