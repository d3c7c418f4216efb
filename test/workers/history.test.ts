/** Which step an activity belongs to, in histories that earlier versions of selm have left. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defaultDataConverter } from '@temporalio/common';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { expect, test } from 'vitest';
import { placeOf } from '../../workers/runs/history.ts';

const client = { options: { loadedDataConverter: defaultDataConverter } } as unknown as Parameters<typeof placeOf>[0];

/** The activities of a recorded history, each with its step. */
async function stepsIn(file: string) {
  const path = fileURLToPath(new URL(`../fixtures/histories/${file}.json`, import.meta.url));
  const { history } = JSON.parse(readFileSync(path, 'utf8')) as { history: unknown };
  const scheduled = (historyFromJSON(history).events ?? []).filter(
    (event) => event.activityTaskScheduledEventAttributes,
  );
  return Promise.all(
    scheduled.map(async (event) => [
      event.activityTaskScheduledEventAttributes!.activityType!.name,
      (await placeOf(client, event)).step,
    ]),
  );
}

test('before activities had summaries, their second argument named the step', async () => {
  const steps = await stepsIn('round');
  expect(steps.filter(([name]) => name === 'sample')).toEqual([
    ['sample', 'sample'],
    ['sample', 'evaluate'],
  ]);
  expect(new Set(steps.map(([, step]) => step))).toEqual(
    new Set(['sample', 'label', 'reference', 'optimize', 'evaluate']),
  );
});

test('outside of rounds the activity tells it', async () => {
  expect(await stepsIn('alignment-continued')).toEqual([
    ['prepare', 'prepare'],
    ['sample', 'start'],
    ['judge', 'start'],
    ['evaluate', 'start'],
  ]);
  expect(await stepsIn('alignment')).toEqual([
    ['publish', 'publish'],
    ['release', 'release'],
  ]);
});
