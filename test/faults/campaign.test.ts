/** A short slice of the fault campaign (`npm run test:faults`). */
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { runCampaign, type CampaignReport } from './campaign.ts';

const folder = temporaryFolder();
let report: CampaignReport;

/** The runs begin with the four read errors; stray files, garbage collection, kills and damage come after them. */
const SEED = 2677044;

beforeAll(async () => {
  writeFileSync(join(folder, 'train.jsonl'), jsonl(tinyPrompts(100)));
  writeFileSync(join(folder, 'held-out.jsonl'), jsonl(tinyPrompts(12, 1000)));
  const config = {
    model: tinyModel(join(folder, 'model')),
    prompts: { train: join(folder, 'train.jsonl'), heldOut: join(folder, 'held-out.jsonl'), perRound: 48 },
    rounds: 2,
    sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 16, shardSize: 20 },
    optimize: { learningRate: 1e-3, batchSize: 4, epochs: 8, checkpointSeconds: 0.2, objective: { beta: 0.1 } },
    evaluate: { maxNewTokens: 16, shardSize: 8 },
  };
  report = await runCampaign({ runs: 4, seed: SEED, parallel: 4, folder, config, say: console.error });
});

it('every run ends with the results and the adapter of the undisturbed one', () => {
  expect(report.runs.map(({ same }) => same)).toEqual([true, true, true, true]);
  expect(report.runs.every(({ struck }) => struck.length > 0)).toBe(true);
});

it('no artifact that was reachable is gone, changed or made again, but those that were damaged', () => {
  expect(report.runs.map(({ lost }) => lost)).toEqual([[], [], [], []]);
  expect(report.runs.every(({ reachable }) => reachable > 10)).toBe(true);
});

it('no fault costs more than a checkpoint interval or a shard, damage no more than the step whose artifact or checkpoint was damaged', () => {
  for (const { extraSteps, allowedSteps, extraTokens, allowedTokens } of report.runs) {
    expect(extraSteps).toBeLessThanOrEqual(allowedSteps);
    expect(extraTokens).toBeLessThanOrEqual(allowedTokens);
  }
});
