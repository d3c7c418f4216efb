/** A short slice of the fault campaign with the torch backend on two ranks (`npm run test:faults -- --backend torch`). */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeTorch, twoRanks } from '../engine/torch/environment.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { runCampaign } from './campaign.ts';
import type { FaultName } from './faults.ts';

const folder = temporaryFolder();

describeTorch('runs whose ranks, backend and workers are killed or stopped', () => {
  test('end with the results and the adapter of the undisturbed run', async () => {
    writeFileSync(join(folder, 'train.jsonl'), jsonl(tinyPrompts(40)));
    writeFileSync(join(folder, 'held-out.jsonl'), jsonl(tinyPrompts(8, 1000)));
    const config = {
      ...twoRanks,
      model: tinyModel(join(folder, 'model')),
      prompts: { train: join(folder, 'train.jsonl'), heldOut: join(folder, 'held-out.jsonl'), perRound: 40 },
      rounds: 1,
      sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 16, shardSize: 20 },
      optimize: { learningRate: 1e-3, batchSize: 4, epochs: 8, checkpointSeconds: 0.2, objective: { beta: 0.1 } },
      evaluate: { maxNewTokens: 16, shardSize: 8 },
    };
    const faults: FaultName[] = [
      'kill -9 of a rank',
      "kill -9 of the engine's process",
      'SIGTERM to the GPU worker (spot)',
    ];
    // With this seed one run has its engine killed while it samples and is stopped early in training; the other has a rank killed there.
    const { runs } = await runCampaign({
      runs: 2,
      seed: 37961,
      parallel: 2,
      folder,
      config,
      faults,
      say: console.error,
    });
    expect(runs.map(({ same }) => same)).toEqual([true, true]);
    expect(runs.map(({ lost }) => lost)).toEqual([[], []]);
    expect(runs.every(({ struck }) => struck.length > 0)).toBe(true);
  });
});
