/** A worker that polls the queues of both pools computes one activity at a time. */
import { Context } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';
import { oneAtATime } from '../../workers/one-at-a-time.ts';

it('an activity waits until the one before has ended, sends heartbeats, and keeps its own context', async () => {
  const log: string[] = [];
  let [finish, fail]: (() => void)[] = [];
  const first = new Promise<void>((resolve) => (finish = resolve));
  const second = new Promise<void>((_, reject) => (fail = () => reject(new Error('the disk is full'))));
  const { sample, optimize } = oneAtATime({
    sample: async (input: unknown) => {
      log.push(`sample ${String(input)}`);
      await first;
      return 'sampled';
    },
    optimize: async (input: unknown) => {
      log.push(`optimize ${String(input)} attempt ${Context.current().info.attempt}`);
      await second;
    },
  });

  const sampling = new MockActivityEnvironment().run(sample, 1);
  const waiting = new MockActivityEnvironment({ attempt: 2, heartbeatDetails: { seconds: 60 } });
  const beat = new Promise((resolve) => waiting.once('heartbeat', resolve));
  const training = waiting.run(optimize, 2).catch((error: Error) => error.message);
  // The time that earlier attempts have spent is not lost while this one waits.
  expect(await beat).toEqual({ seconds: 60 });
  expect(log).toEqual(['sample 1']);
  finish();
  expect(await sampling).toBe('sampled');
  await expect.poll(() => log.at(-1)).toBe('optimize 2 attempt 2');

  // One that fails does not hold up the next.
  const next = new MockActivityEnvironment().run(sample, 3);
  fail();
  expect(await training).toBe('the disk is full');
  expect(await next).toBe('sampled');
});
