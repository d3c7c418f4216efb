/**
 * `npm run study [-- --seeds 5 --rounds 5 --parallel 2]`: compares SELM with related methods on the quickstart's task, at
 * equal budgets. Writes docs/study.json after each run, and docs/study.md with its plots from docs/study.json. Artifacts are
 * cached: an interrupted study continues when it is started again. With --draw it only writes the page and the plots.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { LocalStore } from '../../artifacts/local-store.ts';
import { exitCodeOf, report } from '../../cli/errors.ts';
import { InputError } from '../../data/errors.ts';
import { engineVersion } from '../../engine/version.ts';
import { prepareQuickstart } from '../../examples/quickstart/prepare.ts';
import { instructions } from '../../examples/quickstart/task.ts';
import { cacheFolder } from '../../workers/places.ts';
import { METHODS } from './methods.ts';
import { describe } from './page.ts';
import { plots } from './plots.ts';
import type { StudyResults, StudyRun, StudySettings } from './results.ts';
import { runMethod } from './run.ts';
import { startEngine } from '../../engine/backends.ts';

const docs = (name: string) => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));
const home = join(cacheFolder(), 'study');
const say = (line: string) => console.error(line);

/** For a model of this size, several runs with one thread each are faster than one run with several threads. */
const THREADS = 1;
/** Long timeout, so that engines do not count as hung after the study was suspended (SIGSTOP). */
const SILENCE_SECONDS = 7 * 24 * 3600;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '5' },
    parallel: { type: 'string', default: String(availableParallelism()) },
    draw: { type: 'boolean', default: false },
  },
});

async function study(known: StudyResults | undefined): Promise<void> {
  const [seeds, rounds, parallel] = (['seeds', 'rounds', 'parallel'] as const).map(countOf);
  const { training, heldOut } = instructions();
  const settings: StudySettings = {
    seeds,
    rounds,
    // Uses all prompts of the quickstart; each prompt is in one round.
    promptsPerRound: Math.floor(training.length / rounds),
    heldOut: heldOut.length,
    threads: THREADS,
    engine: engineVersion,
  };
  // All methods of a seed run before the next seed, so that an unfinished study can compare all methods.
  const plan = Array.from({ length: seeds }, (_, seed) => METHODS.map((method) => ({ method, seed }))).flat();
  const kept = known && isDeepStrictEqual(known.settings, settings) ? known.runs : [];
  const runs = new Map(kept.map((run) => [nameOf(run.method, run.seed), run]));
  let writing = Promise.resolve();
  const keep = (run: StudyRun) => {
    runs.set(nameOf(run.method, run.seed), run);
    writing = writing.then(() =>
      write({ settings, runs: plan.flatMap(({ method, seed }) => runs.get(nameOf(method.name, seed)) ?? []) }),
    );
    return writing;
  };

  const prepared = await prepareQuickstart(home);
  const waiting = [...plan];
  const lane = async () => {
    const engine = startEngine({ silenceSeconds: SILENCE_SECONDS });
    const context = {
      store: new LocalStore(join(home, 'artifacts')),
      engine,
      cacheFolder: cacheFolder(),
    };
    try {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const { method, seed } = next;
        const told = ({ round, strictPassRate, kl }: StudyRun['rounds'][number]) =>
          say(
            `${nameOf(method.name, seed)}, round ${round}: strict pass ${(100 * strictPassRate).toFixed(1)} %, KL ${kl.toFixed(2)}`,
          );
        await keep(await runMethod(context, method, seed, settings, prepared, told));
      }
    } finally {
      await engine.close();
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
}

/** Reads a flag that is a count. @throws InputError when its value is not a positive integer */
function countOf(flag: 'seeds' | 'rounds' | 'parallel'): number {
  const count = Number(values[flag]);
  if (!Number.isInteger(count) || count < 1)
    throw new InputError(`--${flag} ${values[flag]} is no count: give 1, 2, 3, ...`);
  return count;
}

const nameOf = (method: string, seed: number) => `${method}, seed ${seed}`;

async function write(results: StudyResults): Promise<void> {
  writeFileSync(docs('study.json'), `${JSON.stringify(results, null, 2)}\n`);
  const page = docs('study.md');
  writeFileSync(page, await format(describe(results), { ...(await resolveConfig(page)), filepath: page }));
  for (const { file, svg } of plots(results)) writeFileSync(docs(file), svg);
}

function readResults(): StudyResults | undefined {
  const file = docs('study.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as StudyResults) : undefined;
}

try {
  const known = readResults();
  if (!values.draw) await study(known);
  else if (known) await write(known);
  else throw new InputError('docs/study.json is not there; run `npm run study` without --draw.');
} catch (error) {
  report(error);
  process.exitCode = exitCodeOf(error);
}
