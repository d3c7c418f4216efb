/**
 * Measures a round of `selm run` with Temporal's dev server and both workers: selm_round.ts CONFIG. Prints one JSON line.
 * The time is that of the round's workflow, without the start of server and workers.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { writeJsonl } from '../../data/jsonl.ts';
import { instructions, promptOf } from '../../examples/quickstart/task.ts';
import { connectClient } from '../../workers/temporal/connection.ts';
import { startLocal } from '../../workers/local.ts';
import { startRun } from '../../workers/runs/runs.ts';
import type { RunConfig } from '../../config/run.ts';
import { loadConfig } from '../../config/load.ts';
import { roundWorkflowId } from '../../workflows/ids.ts';
import type { Printed } from '../measurement.ts';
import { modelFolder } from '../models.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'selm-bench-round-'));
const times = join(folder, 'jobs');
process.env['SELM_HOME'] = join(folder, 'home');
process.env['JOB_TIMES'] = times;
process.env['NODE_OPTIONS'] = `--import ${new URL('job-times.mjs', import.meta.url).href}`;

const configs = {
  async quickstart() {
    const { training, heldOut } = instructions();
    const prompts = {
      train: join(folder, 'train.jsonl'),
      heldOut: join(folder, 'held-out.jsonl'),
      perRound: 1536,
      tooLong: 'drop' as const,
    };
    await writeJsonl(prompts.train, training.map(promptOf));
    await writeJsonl(prompts.heldOut, heldOut.map(promptOf));
    const changes = { model: await modelFolder('quickstart'), prompts, rounds: 1, output: join(folder, 'policy') };
    return loadConfig(path('../../examples/quickstart/config.yaml'), changes);
  },
  /** The example's settings with fewer prompts and shorter responses. */
  async smollm2() {
    const prompts = {
      train: path('../../examples/ifeval/prompts.jsonl'),
      heldOut: 100,
      perRound: 16,
      tooLong: 'drop' as const,
    };
    const file = path('../../examples/smollm2-ifeval.yaml');
    const config = loadConfig(file, {
      model: await modelFolder('smollm2'),
      prompts,
      rounds: 1,
      output: join(folder, 'policy'),
    });
    config.sample.maxNewTokens = 96;
    config.evaluate.maxNewTokens = 32;
    config.optimize.epochs = 1;
    return config;
  },
};

/** Runs a run of one round. @returns when the round's workflow started and ended, in milliseconds */
async function runRound(client: Client, config: RunConfig): Promise<[number, number]> {
  const { handle } = await startRun(client, config);
  await handle.result();
  const round = await client.workflow.getHandle(roundWorkflowId(handle.workflowId, 1)).describe();
  return [round.startTime.getTime(), round.closeTime!.getTime()];
}

const config = await configs[process.argv[2] as keyof typeof configs]();
const local = await startLocal((line) => console.error(line));
try {
  const client = await connectClient();
  const [start, end] = await runRound(client, config);
  const jobs = readFileSync(times, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  // Excludes engine jobs before and after the round, such as the evaluation of the start policy.
  const ofRound = jobs.filter(([, ended]) => start <= ended && ended <= end);
  const engineSeconds = ofRound.reduce((sum, [milliseconds]) => sum + milliseconds, 0) / 1000;
  const [reusedStart, reusedEnd] = await runRound(client, {
    ...config,
    name: `${config.name}-again`,
    output: join(folder, 'policy-again'),
  });
  const printed: Printed = {
    seconds: (end - start) / 1000,
    engineSeconds,
    reusedSeconds: (reusedEnd - reusedStart) / 1000,
  };
  console.log(JSON.stringify(printed));
} finally {
  await local.stop();
  rmSync(folder, { recursive: true });
}
