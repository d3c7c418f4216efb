/**
 * Profiles the steps of optimize or of decoding, depending on the work: selm_profile.ts WORK.json THREADS. Prints one JSON line.
 * It runs the real job with ONNX Runtime's profiling of operators.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalEngine } from '../../engine/onnx/engine.ts';
import { Generator } from '../../engine/onnx/generation/generate.ts';
import type { Progress } from '../../engine/protocol/jobs.ts';
import { openLlamaPolicy } from '../../engine/tokens/policy.ts';
import { AdamW } from '../../engine/onnx/training/adamw.ts';
import { decodingPartOf } from '../decoding-profile.ts';
import type { Printed } from '../measurement.ts';
import { partOf, type OperatorArguments, type Part, type Profile } from '../profile.ts';
import type { Work } from '../work.ts';
import { NO_TOKEN, samplingOf } from './generate-work.ts';
import { optimizeJob } from './optimize-job.ts';
import { accountOf, forgetAccounts, runs } from './profiled-sessions.ts';

const [file, threads] = process.argv.slice(2);
const work = JSON.parse(readFileSync(file, 'utf8')) as Work;
const now = () => performance.now() / 1000;
const profile: Profile = {};

/** Adds time and operations to a part of the profile. @param steps the number of steps that they cover */
function add(name: string, steps: number, microseconds: number, flops = 0): void {
  const part = (profile[name] ??= { seconds: 0, flops: 0 });
  part.seconds += microseconds / 1e6 / steps;
  part.flops += flops / steps;
}

/** Adds the operators of a session's runs after the first `skipped`, by their parts. @returns the microseconds in those runs */
function addSession(
  index: number,
  skipped: number,
  steps: number,
  partOf: (operator: OperatorArguments) => Part,
): number {
  const { total, operators } = accountOf(index, skipped);
  for (const { args, dur } of operators) {
    const { part, flops } = partOf(args);
    add(part, steps, dur, flops);
  }
  add('between operators', steps, total - operators.reduce((sum, { dur }) => sum + dur, 0));
  return total;
}

/** Profiles optimize without its first step, which is slower because it touches all memory for the first time. */
async function optimize(): Promise<Printed> {
  const folder = mkdtempSync(join(tmpdir(), 'selm-bench-'));
  const ends: number[] = [];
  let before: number[] = [];
  let updates = 0;
  const step = AdamW.prototype.step;
  AdamW.prototype.step = function (...args) {
    const started = now();
    const norm = step.apply(this, args);
    if (ends.length > 0) updates += (now() - started) * 1e6;
    return norm;
  };
  const onProgress = ({ unit }: Progress) => {
    if (unit !== 'steps') return;
    if (ends.push(now()) === 1) before = [...runs];
  };
  const engine = new LocalEngine();
  await engine.run('optimize', optimizeJob(work, Number(threads), join(folder, 'out')), {
    onProgress,
    aborted: () => false,
  });
  await engine.close();
  rmSync(folder, { recursive: true });
  const steps = ends.length - 1;
  const seconds = (ends.at(-1)! - ends[0]) / steps;
  // Earlier sessions scored with the reference policy, before the first step.
  const last = before.length - 1;
  const inRuns = addSession(last, before[last], steps, (operator) => partOf(operator, work));
  add('AdamW', steps, updates);
  add('between runs', steps, seconds * steps * 1e6 - inRuns - updates);
  return { seconds, profile };
}

/** Profiles decoding: the second of two runs, without prompt processing. A step generates one token for every row that has not ended. */
async function decode(): Promise<Printed> {
  const generator = await Generator.open(
    openLlamaPolicy({ model: work.model }),
    samplingOf(work, work.newTokens),
    work.ignoreEos ? [NO_TOKEN] : work.eosIds,
    Number(threads),
  );
  const prompts = work.prompts.map((tokens, i) => ({ id: String(i), tokens }));
  await generator.generate(prompts, 0, () => {});
  const before = [...runs];
  const started = now();
  const responses = await generator.generate(prompts, 0, () => {});
  const microseconds = (now() - started) * 1e6;
  await generator.close();
  const [decoding, prefill] = [0, 1];
  const steps = work.newTokens;
  const inRuns = addSession(decoding, before[decoding], steps, (operator) => decodingPartOf(operator, work));
  const inPrompts = accountOf(prefill, before[prefill]).total;
  add('between runs', steps, microseconds - inRuns - inPrompts);
  const tokens = responses.flat().reduce((sum, response) => sum + response.tokens.length, 0);
  return {
    seconds: microseconds / 1e6,
    tokens,
    decodeSeconds: (microseconds - inPrompts) / 1e6,
    decodedTokens: tokens,
    profile,
  };
}

const printed = work.prompts.length > 0 ? await decode() : await optimize();
forgetAccounts();
console.log(JSON.stringify(printed));
