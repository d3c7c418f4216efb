/** selm's side, in a separate process like the peers: selm_peer.ts TASK WORK.json THREADS. Prints one JSON line. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalEngine } from '../../engine/onnx/engine.ts';
import { Generator } from '../../engine/onnx/generation/generate.ts';
import { gemm, matmul } from '../../engine/onnx/graph/ops.ts';
import { Graph } from '../../engine/onnx/graph/tensor.ts';
import type { Progress } from '../../engine/protocol/jobs.ts';
import { openLlamaPolicy } from '../../engine/tokens/policy.ts';
import { float32, Session } from '../../engine/onnx/session.ts';
import type { Task } from '../cases.ts';
import type { Printed } from '../measurement.ts';
import type { Work } from '../work.ts';
import { NO_TOKEN, samplingOf } from './generate-work.ts';
import { optimizeJob, pairsJob } from './optimize-job.ts';

const [task, file, threadsText] = process.argv.slice(2) as [Task, string, string];
const threads = Number(threadsText);
const work = JSON.parse(readFileSync(file, 'utf8')) as Work;
const engine = new LocalEngine();
const folder = mkdtempSync(join(tmpdir(), 'selm-bench-'));
const quiet = { onProgress: () => {}, aborted: () => false };
const now = () => performance.now() / 1000;

async function timed<T>(action: () => Promise<T>): Promise<[seconds: number, value: T]> {
  const started = now();
  const value = await action();
  return [now() - started, value];
}

/** The first step is excluded on every side: it touches all memory for the first time and is slower than the steps after it. */
async function optimize(referenceGiven: boolean, makeJob = optimizeJob): Promise<Printed> {
  const job = makeJob(work, threads, join(folder, 'out'));
  const ends: number[] = [];
  const started = now();
  let scored = started;
  const onProgress = ({ unit }: Progress) => {
    if (unit === 'rows') scored = now();
    else ends.push(now());
  };
  const [jobSeconds, { metrics }] = await timed(() => engine.run('optimize', job, { ...quiet, onProgress }));
  const stepSeconds = ends.length > 1 ? (ends.at(-1)! - ends[0]) / (ends.length - 1) : ends[0] - scored;
  const referenceSeconds = referenceGiven ? 0 : (scored - started) / ends.length;
  return {
    seconds: stepSeconds + referenceSeconds,
    referenceSeconds,
    jobSeconds,
    values: metrics.map(({ loss }) => loss),
  };
}

/** Seconds for generating exactly `newTokens` tokens for each prompt. The second of two runs counts. */
async function generate(newTokens: number): Promise<number> {
  const generator = await Generator.open(
    openLlamaPolicy({ model: work.model }),
    samplingOf(work, newTokens),
    [NO_TOKEN],
    threads,
  );
  const prompts = work.prompts.map((tokens, i) => ({ id: String(i), tokens }));
  await generator.generate(prompts, 0, () => {});
  const [seconds] = await timed(() => generator.generate(prompts, 0, () => {}));
  await generator.close();
  return seconds;
}

/** Opens the generator, and answers all prompts with exactly `newTokens` tokens each after a warm-up with one prompt. */
async function generateFromStart(): Promise<Printed> {
  const generator = await Generator.open(
    openLlamaPolicy({ model: work.model }),
    samplingOf(work, work.newTokens),
    [NO_TOKEN],
    threads,
  );
  const startSeconds = Date.now() / 1000 - Number(process.env['BENCH_STARTED']);
  const prompts = work.prompts.map((tokens, i) => ({ id: String(i), tokens }));
  await generator.generate(prompts.slice(0, 1), 0, () => {});
  const [seconds, responses] = await timed(() => generator.generate(prompts, 0, () => {}));
  await generator.close();
  const values = responses.map(([{ tokens }]) => tokens);
  return { seconds, startSeconds, tokens: values.flat().length, values };
}

/** Read rate (GB/s) of packed weights, as in decoding: the best of 16 products of one row with a large matrix. */
async function readRate(): Promise<number> {
  const n = 8192;
  const g = new Graph();
  const matrix = g.constant('float32', [n, n], new Float32Array(n * n).fill(0.5));
  g.output('y', gemm(g, g.input('x', 'float32', [1, n]), matrix, { transB: true }));
  const session = await Session.open(g, { threads, prepack: true });
  const x = float32(new Float32Array(n).fill(0.5), [1, n]);
  let best = Infinity;
  for (let i = 0; i < 16; i++) best = Math.min(best, (await timed(() => session.run({ x })))[0]);
  await session.close();
  return (4 * n * n) / best / 1e9;
}

const tasks: Record<Exclude<Task, 'round' | 'profile'>, () => Promise<Printed>> = {
  optimize: () => optimize(false),
  precomputed: () => optimize(true),
  dpo: () => optimize(true, pairsJob),
  async sample() {
    const prompts = work.texts.map((prompt, i) => ({ id: String(i), prompt }));
    const job = {
      policy: { model: work.model },
      prompts,
      settings: samplingOf(work, work.newTokens),
      seed: 0,
      threads,
    };
    // Opens the sessions, so that the measured job does not include it.
    await engine.run('sample', { ...job, prompts: prompts.slice(0, 1) }, quiet);
    const [seconds, { responses, sampledTokens }] = await timed(() => engine.run('sample', job, quiet));
    return { seconds, tokens: sampledTokens, values: responses.map(([{ token_ids }]) => token_ids) };
  },
  generate: generateFromStart,
  async decode() {
    const rows = work.prompts.length * work.samplesPerPrompt;
    const seconds = await generate(work.newTokens);
    // Subtracts the time for the prompts and one token, so that the remainder is the decoding of all other tokens.
    const decodeSeconds = seconds - (await generate(1));
    return { seconds, tokens: rows * work.newTokens, decodeSeconds, decodedTokens: rows * (work.newTokens - 1) };
  },
  async score() {
    const rows = work.preferences.flatMap(({ prompt, chosen, rejected }) =>
      [chosen, rejected].map((response) => ({ prompt_input_ids: prompt, response_input_ids: response })),
    );
    const job = { policy: { model: work.model }, rows, threads };
    await engine.run('score', { ...job, rows: rows.slice(0, 1) }, quiet);
    const [seconds, scores] = await timed(() => engine.run('score', job, quiet));
    return { seconds, values: scores.map(({ logp }) => logp) };
  },
  async turns() {
    const started = now();
    await tasks.sample();
    await tasks.score();
    await optimize(false);
    return { seconds: now() - started };
  },
  async matmul() {
    let best: Printed = { seconds: Infinity, gigaflops: 0 };
    for (const n of [1024, 2048, 4096]) {
      const g = new Graph();
      g.output('c', matmul(g, g.input('a', 'float32', [n, n]), g.input('b', 'float32', [n, n])));
      const session = await Session.open(g, { threads });
      const matrix = () => float32(new Float32Array(n * n).fill(0.5), [n, n]);
      const feeds = { a: matrix(), b: matrix() };
      const into = { c: matrix() };
      for (let i = 0; i < 8; i++) {
        const [seconds] = await timed(() => session.run(feeds, into));
        const gigaflops = (2 * n ** 3) / seconds / 1e9;
        if (gigaflops > best.gigaflops!) best = { seconds, gigaflops };
      }
      await session.close();
    }
    return { ...best, gigabytesPerSecond: await readRate() };
  },
};

const printed = await tasks[task as Exclude<Task, 'round' | 'profile'>]();
await engine.close();
rmSync(folder, { recursive: true });
console.log(JSON.stringify(printed));
