/**
 * `npm run bench [-- --only optimize,sample --repeats 3 --python PATH]`: selm and what people would use instead, in turns on the same
 * work in this one run, each measurement in a process of its own; writes bench/results.json and docs/performance.md. The peer's
 * Python environment is made once in the cache, or given by --python; without it the peer is said to be missing.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { smollm2 } from '../test/smollm2/model.ts';
import { cacheFolder } from '../workers/places.ts';
import { describe } from './report.ts';
import { writeWork, type Measurement, type Task, type WorkSize } from './work.ts';

const run = promisify(execFile);
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const say = (line: string) => console.error(line);

export interface Case {
  name: string;
  task: Task;
  size: WorkSize;
}

/** A case with all its repeats. */
export interface Result extends Case {
  selm: Measurement[];
  /** None where there is no Python environment. */
  peer: Measurement[];
}

export interface Results {
  machine: string;
  threads: number;
  versions: Record<string, string>;
  results: Result[];
}

const TRAINING: WorkSize = { preferences: 8, batchSize: 4, prompts: 1, newTokens: 1 };
const sampling = (prompts: number): WorkSize => ({ preferences: 3, batchSize: 1, prompts, newTokens: 128 });

const CASES: Case[] = [
  { name: 'optimize', task: 'optimize', size: TRAINING },
  { name: 'optimize, reference given', task: 'precomputed', size: TRAINING },
  { name: 'sample 16', task: 'sample', size: sampling(16) },
  { name: 'sample 64', task: 'sample', size: sampling(64) },
  { name: 'score', task: 'score', size: { ...TRAINING, preferences: 32 } },
];

const PACKAGES = ['torch', 'transformers', 'peft'];

async function findPython(given: string | undefined): Promise<string | undefined> {
  const folder = join(cacheFolder(), 'bench-python');
  const python = given ?? join(folder, 'bin', 'python');
  if (existsSync(python)) return python;
  say(`Making the peer's Python environment, once: ${PACKAGES.join(', ')}.`);
  try {
    await run('python3', ['-m', 'venv', folder]);
    await run(python, ['-m', 'pip', 'install', '--quiet', ...PACKAGES]);
    return python;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    say(`There is no peer to measure: ${(error as Error).message.split('\n')[0]}`);
    return undefined;
  }
}

async function versionsOf(python: string | undefined): Promise<Record<string, string>> {
  if (!python) return {};
  const script = `import json, importlib.metadata as m; print(json.dumps({p: m.version(p) for p in ${JSON.stringify(PACKAGES)}}))`;
  return JSON.parse((await run(python, ['-c', script])).stdout) as Record<string, string>;
}

const LONGEST_OUTPUT = 2 ** 26;
async function measure(command: string, args: string[]): Promise<Measurement> {
  const { stdout } = await run(command, args, { maxBuffer: LONGEST_OUTPUT });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Measurement;
}

const { values } = parseArgs({
  options: { only: { type: 'string' }, repeats: { type: 'string', default: '3' }, python: { type: 'string' } },
});
const only = values.only?.split(',');
const threads = availableParallelism();
const python = await findPython(values.python);
const model = await smollm2();
const folder = mkdtempSync(join(tmpdir(), 'selm-bench-'));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const results: Result[] = [];
for (const given of CASES.filter(({ name }) => !only || only.some((wanted) => name.startsWith(wanted)))) {
  const work = await writeWork(folder, model, given.size);
  const result: Result = { ...given, selm: [], peer: [] };
  for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
    const args = [given.task, work, String(threads)];
    if (python) result.peer.push(await measure(python, [path('peers/torch_peer.py'), ...args]));
    result.selm.push(await measure(process.execPath, ['--import', tsx, path('peers/selm_peer.ts'), ...args]));
    const [ours, theirs] = [result.selm.at(-1)!, result.peer.at(-1)];
    say(`${given.name}: selm ${ours.seconds.toFixed(1)} s, ${ours.peakMegabytes.toFixed(0)} MB; peer ${theirs ? `${theirs.seconds.toFixed(1)} s, ${theirs.peakMegabytes.toFixed(0)} MB` : 'missing'}`); // prettier-ignore
  }
  results.push(result);
}
rmSync(folder, { recursive: true });
const machine = `${cpus().length} cores of ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GB`;
const report: Results = { machine, threads, versions: await versionsOf(python), results };
writeFileSync(path('results.json'), `${JSON.stringify(report, null, 2)}\n`);
const page = path('../docs/performance.md');
writeFileSync(page, await format(describe(report), { ...(await resolveConfig(page)), filepath: page }));
