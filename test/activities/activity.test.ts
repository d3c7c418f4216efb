/** Steps as Temporal runs them, in the SDK's own environment for a single activity. */
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import type { Step } from '../../activities/step.ts';
import { InputError } from '../../data/errors.ts';
import { JobAborted } from '../../engine/errors.ts';
import type { Progress } from '../../engine/jobs.ts';
import { testRooms } from './rooms.ts';

const rooms = testRooms();

const newEnvironment = () => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });

/** Runs a step as an activity: what it returns, and its heartbeats. */
async function perform(step: Step<number, number>, environment = newEnvironment()) {
  const heartbeats: unknown[] = [];
  environment.on('heartbeat', (details) => heartbeats.push(details));
  const result = await environment.run(createActivities(rooms, { step }).step, 20);
  return { result, heartbeats };
}

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('an activity', () => {
  test('gives its step the rooms and the input, and gives back its result', async () => {
    const { result } = await perform(async (given, input) => (given === rooms ? input + 1 : 0));
    expect(result).toBe(21);
  });

  test('tells its progress, its last checkpoint always with it, without the metrics', async () => {
    const metrics = { step: 2, epoch: 1, loss: 1, grad_norm: 1, learning_rate: 1, 'tokens/s': 1 };
    const progress: Progress = { done: 2, total: 5, unit: 'steps', tokens: 10, metrics };
    const { heartbeats } = await perform(async (_rooms, _input, { onProgress }) => {
      onProgress!({ ...progress, done: 1, checkpoint: '/checkpoints/step-1' });
      onProgress!(progress);
      await wait(1200);
      return 0;
    });
    expect(heartbeats).toEqual([{ done: 2, total: 5, unit: 'steps', tokens: 10, checkpoint: '/checkpoints/step-1' }]);
  });

  test('fails for good on bad input', async () => {
    const failure = await perform(() => Promise.reject(new InputError('prompts.jsonl is empty.'))).catch((error: unknown) => error); // prettier-ignore
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({ message: 'prompts.jsonl is empty.', type: 'InputError', nonRetryable: true });
  });

  test('may be tried again after any other failure', async () => {
    const broken = new Error('the disk is full');
    await expect(perform(() => Promise.reject(broken))).rejects.toBe(broken);
  });

  test('stops when it is cancelled', async () => {
    const environment = newEnvironment();
    const stopped = perform(
      (_rooms, _input, { signal }) =>
        new Promise((_resolve, reject) => {
          signal!.addEventListener('abort', () => reject(new JobAborted('training was stopped')));
        }),
      environment,
    );
    environment.cancel('CANCELLED');
    await expect(stopped).rejects.toThrow(JobAborted);
  });
});
