/** Activities as Temporal runs them, in the SDK's test environment for an activity. */
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import { resumedFrom, sentenceOn } from '../../activities/resumed.ts';
import type { Activity } from '../../activities/step.ts';
import { InputError } from '../../data/errors.ts';
import { JobAborted } from '../../engine/protocol/errors.ts';
import type { Progress } from '../../engine/protocol/jobs.ts';
import { testContext } from './context.ts';

const context = testContext();

const newEnvironment = () => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });

/** Runs a function as an activity. @returns its result and its heartbeats */
async function perform(activity: Activity<number, object>, environment = newEnvironment()) {
  const heartbeats: unknown[] = [];
  environment.on('heartbeat', (details) => heartbeats.push(details));
  const result = await environment.run(createActivities(context, { activity }).activity, 20);
  return { result, heartbeats };
}

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The environment of a second attempt, whose first attempt worked for 100 seconds. */
const again = () =>
  new MockActivityEnvironment({ heartbeatDetails: { seconds: 100 } }, { logger: new DefaultLogger('ERROR') });
const work = async () => {
  await wait(300);
  return { reused: false };
};

describe('an activity', () => {
  test('gives its step the context and the input, and gives back its result', async () => {
    const { result } = await perform(async (given, input) => ({ answer: given === context ? input + 1 : 0 }));
    expect(result).toEqual({ answer: 21, seconds: expect.any(Number) as number });
  });

  test('reports its progress with the loss so far, always with its last checkpoint', async () => {
    const metrics = { step: 2, epoch: 1, loss: 1, grad_norm: 1, learning_rate: 1, 'tokens/s': 1 };
    const progress: Progress = { done: 2, total: 5, unit: 'steps', tokens: 10, metrics };
    const { heartbeats } = await perform(async (_context, _input, { onProgress }) => {
      onProgress!({ ...progress, done: 1, metrics: { ...metrics, step: 1, loss: 3 } });
      onProgress!({ ...progress, done: 1, metrics: undefined, checkpoint: '/checkpoints/step-1' });
      onProgress!(progress);
      await wait(1200);
      return {};
    });
    const seconds = expect.closeTo(1, 0) as number;
    const losses = [
      [1, 3],
      [2, 1],
    ];
    expect(heartbeats).toEqual([
      { seconds, done: 2, total: 5, unit: 'steps', tokens: 10, checkpoint: '/checkpoints/step-1', losses },
    ]);
  });

  test('reports from which step a training goes on, and how many steps it computes again', async () => {
    const before = { seconds: 9, done: 134, total: 300, unit: 'steps' };
    const environment = new MockActivityEnvironment(
      { heartbeatDetails: before },
      { logger: new DefaultLogger('ERROR') },
    );
    const progress: Progress = { done: 120, total: 300, unit: 'steps', tokens: 0 };
    const { heartbeats } = await perform(async (_context, _input, { onProgress }) => {
      onProgress!({ ...progress, resumedFromStep: 120 });
      onProgress!({ ...progress, done: 121 });
      await wait(1200);
      return {};
    }, environment);
    expect(heartbeats).toEqual([expect.objectContaining({ done: 121, resumed: { from: 120, again: 14 } })]);
    // Without a checkpoint, all steps are computed again.
    expect(resumedFrom({ ...progress, done: 1 }, { ...before, unit: 'steps' })).toEqual({ from: 0, again: 134 });
    expect(resumedFrom({ ...progress, done: 1 }, undefined)).toBeUndefined();
    expect(sentenceOn({ from: 120, again: 14 }, 300)).toBe(
      'Training resumed from step 120 of 300; 14 steps are computed again.',
    );
  });

  test('fails for good on bad input', async () => {
    const failure = await perform(() => Promise.reject(new InputError('prompts.jsonl is empty.'))).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({ message: 'prompts.jsonl is empty.', type: 'InputError', nonRetryable: true });
  });

  test('may be tried again after any other failure', async () => {
    const failure = await perform(() => Promise.reject(new TypeError('the disk is full'))).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ message: 'the disk is full', type: 'TypeError', nonRetryable: false });
  });

  test('counts the seconds of all its attempts, and none where its artifact was cached', async () => {
    const { seconds } = (await perform(work, again())).result as { seconds: number };
    expect(seconds).toBeGreaterThanOrEqual(100.3);
    expect(seconds).toBeLessThan(101);
    expect((await perform(async () => ({ reused: true }), newEnvironment())).result).toEqual({
      reused: true,
      seconds: 0,
    });
    const failure = await perform(() => Promise.reject(new Error('the disk is full')), again()).catch(
      (error: unknown) => error,
    );
    expect((failure as ApplicationFailure).details).toEqual([{ seconds: expect.closeTo(100, 0) as number }]);
  });

  test('stops when it is cancelled', async () => {
    const environment = newEnvironment();
    const stopped = perform(
      (_context, _input, { signal }) =>
        new Promise<object>((_resolve, reject) => {
          signal!.addEventListener('abort', () => reject(new JobAborted('training was stopped')));
        }),
      environment,
    );
    environment.cancel('CANCELLED');
    await expect(stopped).rejects.toThrow(JobAborted);
  });
});
