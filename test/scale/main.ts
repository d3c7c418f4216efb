/**
 * `npm run test:scale [-- --prompts 1000000]`: a simulated round over very many prompts; writes docs/scale.md. All is real (Temporal's
 * dev server, workflows, activities, store) but the engine: a stand-in answers at once. Needs about 3 GB of disk for a million.
 */
import { cpSync, createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { format, resolveConfig } from 'prettier';
import { stringify } from 'yaml';
import { describeMachine } from '../../bench/machine.ts';
import { controlActivities, createActivities, modelActivities } from '../../activities/index.ts';
import { scriptFlags } from '../../cli/script-flags.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import type { Engine, EngineMethods, OptimizeJob, SampleJob, DivergenceJob } from '../../engine/protocol/jobs.ts';
import { startRun } from '../../workers/runs/runs.ts';
import { loadConfig } from '../../config/load.ts';
import { CONTROL_QUEUE, MODEL_QUEUES } from '../../workflows/queues.ts';
import { startDevServer } from '../dev-server.ts';
import { tinyAdapter, tinyModel, tinyPrompts } from '../tiny-model.ts';

const values = scriptFlags({ prompts: { type: 'string', default: '1000000' } });
const count = Number(values.prompts);
const SHARD = 1024;
const MEGABYTE = 2 ** 20;

/** Answers at once. Of two answers, one follows the instructions of a tiny prompt, the other does not. */
const ANSWERS = ['Yes, indeed', 'Yes'].map((text) => ({
  text,
  token_ids: [5, 6, 7],
  finish_reason: 'stop' as const,
  logp: -1,
}));
const standIn: Engine = {
  async run<M extends keyof EngineMethods>(method: M, job: Parameters<EngineMethods[M]>[0]) {
    const answers = {
      sample: ({ prompts, settings }: SampleJob) => {
        const responses = prompts.map(() => ANSWERS.slice(0, settings.samplesPerPrompt));
        return { responses, promptIds: prompts.map(() => [1]), sampledTokens: prompts.length };
      },
      divergence: ({ rows }: DivergenceJob) => rows.map(() => ({ kl: 1, tokens: 3 })),
      optimize: ({ outDir }: OptimizeJob) => {
        cpSync(tinyAdapter, outDir, { recursive: true });
        const row = { step: 1, epoch: 1, loss: 0.5, grad_norm: 1, learning_rate: 1e-4, 'tokens/s': 1 };
        return { steps: 1, metrics: [row], damagedCheckpoints: [], unchanged: false };
      },
    };
    return answers[method as keyof typeof answers](job as never) as ReturnType<EngineMethods[M]>;
  },
  version: async () => 'stand-in 1',
  close: () => Promise.resolve(),
};

const folder = mkdtempSync(join(tmpdir(), 'selm-scale-'));
async function writePrompts(): Promise<string> {
  const path = join(folder, 'train.jsonl');
  const file = createWriteStream(path);
  for (let from = 0; from < count; from += SHARD) {
    const rows = tinyPrompts(Math.min(SHARD, count - from), from).map((row) => `${JSON.stringify(row)}\n`);
    if (!file.write(rows.join(''))) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
  return path;
}

Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: 'ERROR', forward: {} } },
});
const train = await writePrompts();
const file = join(folder, 'run.yaml');
const sample = { samplesPerPrompt: 2, temperature: 1, maxNewTokens: 16, shardSize: SHARD };
writeFileSync(
  file,
  stringify({
    name: 'scale',
    model: tinyModel(join(folder, 'model')),
    prompts: { train, heldOut: 100 },
    rounds: 1,
    sample,
    evaluate: { maxNewTokens: 16 },
  }),
);
const server = await startDevServer();
const context = {
  store: new LocalStore(join(folder, 'store')),
  engine: standIn,
  cacheFolder: join(folder, 'cache'),
};
const address = server.address;
const client = new Client({ connection: await Connection.connect({ address, connectTimeout: '30s' }) });
const connection = await NativeConnection.connect({ address });
const workflowBundle = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
  logger: new DefaultLogger('ERROR'),
});
const control = await Worker.create({
  connection,
  taskQueue: CONTROL_QUEUE,
  workflowBundle,
  activities: createActivities(context, controlActivities),
});
const gpu = await Worker.create({
  connection,
  taskQueue: MODEL_QUEUES.single,
  activities: createActivities(context, modelActivities),
  maxConcurrentActivityTaskExecutions: 2,
});

/** Memory of this process, both workers in it, while the shards are sampled: by share of them done. */
const memory: { step: string; share: number; megabytes: number }[] = [];
const started = Date.now();
const { handle } = await startRun(client, loadConfig(file));
const firstRun = (await handle.describe()).runId;
await control.runUntil(
  gpu.runUntil(async () => {
    const result = handle.result();
    const run = { ended: false };
    const watching = (async () => {
      while (!run.ended) {
        const { rss } = process.memoryUsage();
        const round = await client.workflow
          .getHandle(`${handle.workflowId}/round-1`)
          .query<{ steps: Record<string, { state: string; done: number; total: number }> }>('status')
          .catch(() => undefined);
        const [step, at] = Object.entries(round?.steps ?? {}).find(([, { state }]) => state === 'running') ?? [
          '',
          undefined,
        ];
        memory.push({ step, share: at ? at.done / at.total : 0, megabytes: rss / MEGABYTE });
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })();
    await result.finally(() => (run.ended = true));
    await watching;
  }),
);
const seconds = (Date.now() - started) / 1000;

interface Size {
  workflow: string;
  events: number;
  bytes: number;
}
async function sizesOf(workflowId: string, runId?: string): Promise<Size[]> {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const events = history.events ?? [];
  const children = events.flatMap(
    ({ childWorkflowExecutionStartedEventAttributes: child }) => child?.workflowExecution ?? [],
  );
  const below = await Promise.all(children.map((child) => sizesOf(child.workflowId!, child.runId!)));
  const workflow = events[0].workflowExecutionStartedEventAttributes!.workflowType!.name!;
  return [{ workflow, events: events.length, bytes: historyToJSON(history).length }, ...below.flat()];
}
const sizes = await sizesOf(handle.workflowId, firstRun);
await client.connection.close();
await connection.close();
server.stop();
rmSync(folder, { recursive: true });

const largest = (of: (size: Size) => number) => Math.max(...sizes.map(of));
const whileIn = (step: string, from = 0, to = 1) =>
  memory.filter((at) => at.step === step && at.share >= from && at.share <= to);
const peak = (rows: typeof memory) => Math.max(...rows.map(({ megabytes }) => megabytes)).toFixed(0);
const STAGES = (
  [
    ['preparing, and measuring the start', whileIn('')],
    ['sampling, first quarter', whileIn('sample', 0, 0.25)],
    ['sampling, second quarter', whileIn('sample', 0.25, 0.5)],
    ['sampling, third quarter', whileIn('sample', 0.5, 0.75)],
    ['sampling, last quarter', whileIn('sample', 0.75, 1)],
    ['labeling', whileIn('label')],
    ['optimizing', whileIn('optimize')],
  ] as const
).filter(([, rows]) => rows.length > 0);
const names = [...new Set(sizes.map(({ workflow }) => workflow))];
const page = fileURLToPath(new URL('../../docs/scale.md', import.meta.url));
const text = `# Scale

Written by \`npm run test:scale -- --prompts ${count}\` on ${describeMachine()}. **A simulation**: Temporal's dev server, the workflows, the
activities and the artifact store are real. The engine is a stand-in that answers immediately. One round over ${count.toLocaleString('en')} prompts, in shards of ${SHARD}.

It ended after ${seconds.toFixed(0)} s. No execution's history had more than ${largest(({ events }) => events).toLocaleString('en')} events or ${(largest(({ bytes }) => bytes) / 1e6).toFixed(2)} MB (as JSON).

| Workflow | executions | max. events | max. MB |
| --- | ---: | ---: | ---: |
${names
  .map((name) => {
    const own = sizes.filter(({ workflow }) => workflow === name);
    return `| ${name} | ${own.length} | ${Math.max(...own.map(({ events }) => events))} | ${(Math.max(...own.map(({ bytes }) => bytes)) / 1e6).toFixed(2)} |`;
  })
  .join('\n')}

Peak memory of the process that ran both workers, in MB:

| Stage | MB |
| --- | ---: |
${STAGES.map(([name, rows]) => `| ${name} | ${peak(rows)} |`).join('\n')}

A worker keeps one shard in memory at a time. While it prepares, it also keeps the id and three hashes of each prompt. (During training, the
engine's process, which the stand-in replaces, keeps the tokens of all preferences of a round in memory.)
`;
writeFileSync(page, await format(text, { ...(await resolveConfig(page)), filepath: page }));
console.error(text);
process.exit(0);
