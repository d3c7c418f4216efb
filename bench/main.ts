/**
 * `npm run bench [-- --only optimize,sample --repeats 3]`: measures selm and its peers alternately on the same work, each measurement
 * in a separate process. Writes bench/results.json and docs/performance.md. The peers are built once in the cache; a peer that cannot be
 * built is reported as missing. With --only, earlier results of other cases are kept; they must be of this machine.
 * `npm run bench -- --draw` measures nothing and writes the page from the existing results.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { exitCodeOf, report } from '../cli/errors.ts';
import { scriptFlags } from '../cli/script-flags.ts';
import { InputError } from '../data/errors.ts';
import { readLlamaConfig } from '../engine/model-files/llama-config.ts';
import { agreement, equalTokens } from './agreement.ts';
import { CASES, type Case, type Side } from './cases.ts';
import { stepFlops } from './flops.ts';
import { describeMachine } from './machine.ts';
import { measuredCommit } from './commit.ts';
import { MeasurementFailed, type Measurement, type Printed } from './measurement.ts';
import { describe } from './report.ts';
import type { CaseResult, Results } from './results.ts';
import { openSides, type Sides } from './sides.ts';
import { makeWork, pairTokens, writeWork } from './work.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const say = (line: string) => console.error(line);

const values = scriptFlags({ only: { type: 'string' }, repeats: { type: 'string' }, draw: { type: 'boolean' } });
const only = values.only?.split(',');
const threads = availableParallelism();
const resultsFile = path('results.json');

async function measureCase(given: Case, sides: Sides, folder: string, repeats = given.repeats): Promise<CaseResult> {
  const work = await makeWork(folder, given.size);
  const file = writeWork(folder, work);
  const config = readLlamaConfig(work.model);
  const result: CaseResult = { name: given.name, commit: measuredCommit(), sides: {} };
  const computed: Partial<Record<Side, Printed['values']>> = {};
  if (given.task === 'optimize' && work.adapter) {
    // The mean over the steps after the first one, since only these are measured.
    const later = work.preferences.slice(work.batchSize);
    if (later.length > 0) result.stepFlops = (stepFlops(config, work.rank, later) * work.batchSize) / later.length;
  }
  for (const side of given.sides) result.sides[side] = { missing: sides.missing(given, side), runs: [] };
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [side, measured] of Object.entries(result.sides) as [
      Side,
      { missing?: string; runs: Measurement[] },
    ][]) {
      if (measured.missing !== undefined) continue;
      try {
        const { values, ...run } = await sides.measure(given, side, file);
        measured.runs.push(given.task === 'dpo' ? { ...run, tokens: pairTokens(work) } : run);
        computed[side] ??= values;
        say(`${given.name}: ${side} ${run.seconds.toFixed(2)} s, ${run.peakMebibytes} MiB`);
      } catch (error) {
        if (!(error instanceof MeasurementFailed)) throw error;
        measured.missing = error.message;
        say(`${given.name}: ${side} ${error.message}`);
      }
    }
  }
  if (given.task === 'generate' && computed.pytorch) {
    for (const [side, values] of Object.entries(computed) as [Side, number[][] | undefined][]) {
      if (values) result.sides[side]!.equalTokens = equalTokens(values, computed.pytorch as number[][]);
    }
    return result;
  }
  const sampled = (given.size.temperature ?? 0) > 0;
  const peer = computed.pytorch ?? computed.trl;
  if (computed.selm && peer && !sampled) result.agreement = agreement(computed.selm, peer);
  return result;
}

async function draw(results: Results): Promise<void> {
  const page = path('../docs/performance.md');
  writeFileSync(page, await format(describe(results), { ...(await resolveConfig(page)), filepath: page }));
}

async function measureAll(before: Results | undefined): Promise<void> {
  const unknown = only?.find((start) => !CASES.some(({ name }) => name.startsWith(start)));
  if (unknown !== undefined) {
    const names = CASES.map(({ name }) => name).join(', ');
    throw new InputError(`--only: "${unknown}" is no case; choose among ${names}.`);
  }
  const repeats = values.repeats === undefined ? undefined : Number(values.repeats);
  if (repeats !== undefined && !(Number.isInteger(repeats) && repeats > 0))
    throw new InputError(`--repeats ${values.repeats} is no count: give 1, 2, 3, ...`);
  const wanted = CASES.filter(({ name }) => !only || only.some((start) => name.startsWith(start)));
  const machine = describeMachine();
  if (only && before && before.machine !== machine) {
    throw new InputError(
      `bench/results.json is of ${before.machine}, and this machine is ${machine}: run npm run bench without --only.`,
    );
  }
  const kept = only ? before : undefined;
  const sides = await openSides(wanted, threads, say);
  const results = new Map(kept?.cases.map((result) => [result.name, result]));
  const folder = mkdtempSync(join(tmpdir(), 'selm-bench-'));
  try {
    for (const given of wanted) {
      results.set(given.name, await measureCase(given, sides, folder, repeats));
      const cases = CASES.flatMap(({ name }) => results.get(name) ?? []);
      const report: Results = { machine, threads, versions: { ...kept?.versions, ...sides.versions }, cases };
      writeFileSync(resultsFile, `${JSON.stringify(report, null, 2)}\n`);
      await draw(report);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const before = existsSync(resultsFile) ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as Results) : undefined;
try {
  if (!values.draw) await measureAll(before);
  else if (before) await draw(before);
  else throw new InputError('There is nothing to draw: bench/results.json is missing; run npm run bench.');
} catch (error) {
  report(error);
  process.exitCode = exitCodeOf(error);
}
