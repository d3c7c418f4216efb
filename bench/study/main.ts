/**
 * `npm run study [-- --task quickstart,rare --methods dpo,selm-0.01 --seeds 10 --rounds 3 --prompts 1000 --parallel 2]`: compares
 * objectives on the tasks of tasks.ts, at equal budgets. Writes docs/study-TASK.json after each run, and from these files docs/study.md
 * with its plots and what README says of it. Artifacts are cached: an interrupted study continues when it is started again, and more seeds
 * or methods are added to those that are there. With --draw it only writes these.
 *
 * --task smollm2 takes a model folder in place of the hub's model with --model. With --unseen ifbench,lm-eval the start policy
 * and each run's last one are also measured on what training does not aim at (unseen.ts).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { exitCodeOf, report } from '../../cli/errors.ts';
import { scriptFlags } from '../../cli/script-flags.ts';
import { InputError } from '../../data/errors.ts';
import { engineVersion } from '../../engine/version.ts';
import { cacheFolder } from '../../workers/places.ts';
import { measuredCommit } from '../commit.ts';
import { describeMachine } from '../machine.ts';
import { inLanes } from './lanes.ts';
import { BASELINE, METHODS, methodOf } from './methods.ts';
import { describe } from './page.ts';
import { plots } from './plots.ts';
import { withResults } from './readme.ts';
import type { StudyResults, StudyRun, StudySettings } from './results.ts';
import { runMethod } from './run.ts';
import { TASKS, taskOf, type Task } from './tasks.ts';
import type { UnseenPart } from './unseen.ts';

const root = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const fileOf = (task: string) => root(`docs/study-${task}.json`);

/** Several runs with one thread each are faster than one run with several threads (SmolLM2 on two cores: by 23 %). */
const THREADS = 1;

const values = scriptFlags({
  task: { type: 'string', default: 'quickstart,rare' },
  methods: { type: 'string' },
  seeds: { type: 'string' },
  rounds: { type: 'string', default: '3' },
  prompts: { type: 'string' },
  parallel: { type: 'string', default: String(availableParallelism()) },
  model: { type: 'string' },
  unseen: { type: 'string' },
  draw: { type: 'boolean', default: false },
});

async function study(task: Task): Promise<void> {
  const seeds = countOf('seeds', task.seeds);
  const methods = (values.methods?.split(',') ?? task.methods).map((name) => methodOf(name));
  if (!methods.some(({ name }) => name === BASELINE)) {
    throw new InputError(`--methods needs ${BASELINE}, which the others are compared with.`);
  }
  partsOf();
  const folder = task.name === 'quickstart' ? home : join(home, task.name);
  const setup = await task.prepare(folder, values.model);
  const parallel = countOf('parallel');
  const settings: StudySettings = {
    rounds: countOf('rounds'),
    promptsPerRound: countOf('prompts', task.promptsPerRound),
    heldOut: setup.heldOut,
    freshPrompts: Math.min(task.freshPrompts, setup.heldOut),
    threads: THREADS,
    engine: engineVersion,
  };
  const known = readResults(task.name);
  const earlier = known && isDeepStrictEqual(known.settings, settings) ? known : undefined;
  const kept = earlier?.runs ?? [];
  if (known && !earlier) {
    const [before, now] = [known.settings, settings].map((of) => JSON.stringify(of));
    console.error(`${task.name}: ${known.runs.length} runs with other settings are replaced: ${before}, now ${now}.`);
  }
  const runs = new Map(kept.map((run) => [nameOf(run.method, run.seed), run]));
  const named = new Set([...methods.map(({ name }) => name), ...kept.map(({ method }) => method)]);
  const all = METHODS.filter(({ name }) => named.has(name));
  const seedCount = Math.max(seeds, ...kept.map(({ seed }) => seed + 1));
  const machines = unique([...(earlier?.machines ?? []), describeMachine()]);
  const commits = unique([...(earlier?.commits ?? []), measuredCommit() ?? 'no commit']);
  let writing = Promise.resolve();
  const keep = (run: StudyRun) => {
    runs.set(nameOf(run.method, run.seed), run);
    const ordered = bySeed(seedCount, all, 1).flatMap(({ method, seed }) => runs.get(nameOf(method.name, seed)) ?? []);
    const results = {
      task: task.name,
      seeds: seedCount,
      methods: all.map(({ name }) => name),
      settings,
      machines,
      commits,
      runs: ordered,
    };
    writing = writing.then(() => write(results));
    return writing;
  };

  // All methods of a seed run before the next seeds, so that an unfinished study can compare all methods. Parallel runs have
  // different seeds, because runs with the same seed share their first round.
  const plan = bySeed(seeds, methods, parallel).filter(
    ({ method, seed }) => !isDone(runs.get(nameOf(method.name, seed))),
  );
  await inLanes(home, parallel, plan, async (context, { method, seed }) => {
    const name = `${task.name}, ${nameOf(method.name, seed)}`;
    const began = performance.now();
    const run = await runMethod(context, { task, setup }, method, seed, settings, {
      told: ({ round, strictPassRate }) =>
        console.error(`${name}, round ${round}: strict pass ${(100 * strictPassRate).toFixed(1)} %`),
      unseenParts: partsOf(runs.get(nameOf(method.name, seed))),
    });
    console.error(`${name}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
    await keep(run);
  });
}

const UNSEEN: Record<string, UnseenPart> = { ifbench: 'ifbench', 'lm-eval': 'lmEval' };

/** The parts of --unseen, and those that a run already has. @throws InputError when one is unknown */
function partsOf(run?: StudyRun): UnseenPart[] {
  const asked = values.unseen?.split(',').map((name) => {
    const part = UNSEEN[name];
    if (part === undefined) throw new InputError(`--unseen: "${name}" is unknown; choose among ifbench, lm-eval.`);
    return part;
  });
  return unique([...(asked ?? []), ...(Object.keys(run?.unseen?.last ?? {}) as UnseenPart[])]);
}

/** Whether a run has all that is asked for. */
const isDone = (run?: StudyRun) =>
  run !== undefined && partsOf(run).every((part) => run.unseen?.last[part] !== undefined);

const home = join(cacheFolder(), 'study');

/** All runs, by blocks of so many seeds; within a block by method. */
function bySeed<T>(seeds: number, methods: T[], block: number): { method: T; seed: number }[] {
  const firsts = Array.from({ length: Math.ceil(seeds / block) }, (_, i) => i * block);
  return firsts.flatMap((first) => {
    const inBlock = Array.from({ length: Math.min(block, seeds - first) }, (_, i) => first + i);
    return methods.flatMap((method) => inBlock.map((seed) => ({ method, seed })));
  });
}

/** Reads a flag that is a count. @throws InputError when its value is not a positive integer */
function countOf(flag: 'seeds' | 'rounds' | 'prompts' | 'parallel', otherwise?: number): number {
  const count = Number(values[flag] ?? otherwise);
  if (Number.isInteger(count) && count > 0) return count;
  throw new InputError(`--${flag} ${values[flag]} is no count: give 1, 2, 3, ...`);
}

const unique = <T>(values: T[]) => [...new Set(values)];

const nameOf = (method: string, seed: number) => `${method}, seed ${seed}`;

async function write(results: StudyResults): Promise<void> {
  writeFileSync(fileOf(results.task), `${JSON.stringify(results, null, 2)}\n`);
  await draw();
}

/** Writes the page, the plots and README's part from the results that are there. */
async function draw(): Promise<void> {
  const all = TASKS.flatMap(({ name }) => readResults(name) ?? []);
  await writeFormatted('docs/study.md', describe(all));
  await writeFormatted('README.md', withResults(readFileSync(root('README.md'), 'utf8'), all));
  for (const { file, svg } of all.flatMap(plots)) writeFileSync(root(`docs/${file}`), svg);
}

async function writeFormatted(name: string, text: string): Promise<void> {
  const file = root(name);
  writeFileSync(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
}

function readResults(task: string): StudyResults | undefined {
  const file = fileOf(task);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as StudyResults) : undefined;
}

try {
  const tasks = values.task.split(',').map(taskOf);
  if (!values.draw) for (const task of tasks) await study(task);
  await draw();
} catch (error) {
  report(error);
  process.exitCode = exitCodeOf(error);
}
