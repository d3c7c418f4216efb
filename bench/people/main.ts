/**
 * `npm run bench:people [-- --seeds 5 --strategies random,margin,gap,d-optimal --rounds 5 --votes 300 --noise 0.1 --epochs 3
 * --parallel 2]`: compares the strategies that select what people are asked, on the quickstart's task, with a simulated voter and equal
 * votes. Writes bench/people/results.json after each run, and docs/people-strategies.md with its plots from it. Artifacts are cached: an
 * interrupted bench continues when it is started again. With --draw it only writes the page and the plots.
 *
 * With --through-pages, one run with the first of the strategies gets its votes over HTTP, from simulated people on the pages of
 * `selm ui --label`. Writes bench/people/through-pages.json.
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
import { prepareQuickstart } from '../../examples/quickstart/prepare.ts';
import { instructions } from '../../examples/quickstart/task.ts';
import { STRATEGIES, type AskSettings } from '../../labelers/people/settings.ts';
import { cacheFolder } from '../../workers/places.ts';
import { inLanes } from '../study/lanes.ts';
import type { StudyRun } from '../study/results.ts';
import { describe } from './page.ts';
import { plots } from './plots.ts';
import type { BenchResults, BenchSettings } from './results.ts';
import { runStrategy } from './run.ts';
import { runThroughPages } from './through-pages.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const RESULTS = path('results.json');
// The study's folder: the start model and its samples are the same.
const home = join(cacheFolder(), 'study');

/** For a model of this size, several runs with one thread each are faster than one run with several threads. */
const THREADS = 1;

const values = scriptFlags({
  seeds: { type: 'string', default: '5' },
  strategies: { type: 'string', default: STRATEGIES.join() },
  rounds: { type: 'string', default: '5' },
  votes: { type: 'string', default: '300' },
  noise: { type: 'string', default: '0.1' },
  epochs: { type: 'string', default: '3' },
  parallel: { type: 'string', default: String(availableParallelism()) },
  draw: { type: 'boolean', default: false },
  'through-pages': { type: 'boolean', default: false },
});

async function bench(known: BenchResults | undefined): Promise<void> {
  const [seeds, rounds, votes, epochs, parallel] = (['seeds', 'rounds', 'votes', 'epochs', 'parallel'] as const).map(
    countOf,
  );
  const { training, heldOut } = instructions();
  const settings: BenchSettings = {
    rounds,
    promptsPerRound: Math.floor(training.length / rounds),
    heldOut: heldOut.length,
    votes,
    noise: noiseOf(values.noise),
    epochs,
    threads: THREADS,
    engine: engineVersion,
  };
  const strategies = values.strategies.split(',').map(strategyOf);
  // All strategies of a seed run before the next seed, so that an unfinished bench can compare all strategies.
  const plan = Array.from({ length: seeds }, (_, seed) => strategies.map((strategy) => ({ strategy, seed }))).flat();
  const runs = known && isDeepStrictEqual(known.settings, settings) ? [...known.runs] : [];
  const isDone = ({ strategy, seed }: (typeof plan)[number]) =>
    runs.some((run) => run.method === strategy && run.seed === seed);

  const prepared = await prepareQuickstart(home);
  await inLanes(
    home,
    parallel,
    plan.filter((one) => !isDone(one)),
    async (context, { strategy, seed }) => {
      const told = ({ round, strictPassRate, preferences }: StudyRun['rounds'][number]) =>
        console.error(
          `${strategy}, seed ${seed}, round ${round}: strict pass ${(100 * strictPassRate).toFixed(1)} %, ${preferences} preferences`,
        );
      const began = performance.now();
      runs.push(await runStrategy(context, strategy, seed, settings, prepared, told));
      console.error(`${strategy}, seed ${seed}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
      await write({ settings, runs: inOrder(runs) });
    },
  );
}

async function throughPages(): Promise<void> {
  const [rounds, votes, epochs] = (['rounds', 'votes', 'epochs'] as const).map(countOf);
  const [strategy] = values.strategies.split(',').map(strategyOf);
  const settings = { strategy, rounds, votes, noise: noiseOf(values.noise), epochs };
  const result = await runThroughPages(settings, await prepareQuickstart(home), join(home, 'through-pages'));
  const file = path('through-pages.json');
  const text = await formatted(file, JSON.stringify(result));
  writeFileSync(file, text);
  console.log(text);
}

/** Runs in an order that does not depend on which ended first. */
const inOrder = (runs: StudyRun[]): StudyRun[] =>
  runs.toSorted((a, b) => a.seed - b.seed || placeOf(a.method) - placeOf(b.method));

const placeOf = (strategy: string) => STRATEGIES.indexOf(strategy as AskSettings['strategy']);

/** Reads a flag that is a count. @throws InputError when its value is not a positive integer */
function countOf(flag: 'seeds' | 'rounds' | 'votes' | 'epochs' | 'parallel'): number {
  const count = Number(values[flag]);
  if (Number.isInteger(count) && count > 0) return count;
  throw new InputError(`--${flag} ${values[flag]} is no count: give 1, 2, 3, ...`);
}

function noiseOf(text: string): number {
  const noise = Number(text);
  if (noise >= 0 && noise <= 0.5) return noise;
  throw new InputError(`--noise ${text} is not between 0 and 0.5: give the probability that a vote is wrong.`);
}

function strategyOf(name: string): AskSettings['strategy'] {
  const found = STRATEGIES.find((strategy) => strategy === name);
  if (found) return found;
  throw new InputError(`--strategies: "${name}" is no strategy; choose among ${STRATEGIES.join(', ')}.`);
}

/** A file's text as the project formats it. */
const formatted = async (file: string, text: string) =>
  format(text, { ...(await resolveConfig(file)), filepath: file });

async function write(results: BenchResults): Promise<void> {
  writeFileSync(RESULTS, await formatted(RESULTS, JSON.stringify(results)));
  const page = path('../../docs/people-strategies.md');
  writeFileSync(page, await formatted(page, describe(results)));
  for (const { file, svg } of plots(results)) writeFileSync(path(`../../docs/${file}`), svg);
}

function readResults(): BenchResults | undefined {
  return existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as BenchResults) : undefined;
}

try {
  const known = readResults();
  if (values['through-pages']) await throughPages();
  else if (!values.draw) await bench(known);
  else if (known) await write(known);
  else throw new InputError('bench/people/results.json is not there; run `npm run bench:people` without --draw.');
} catch (error) {
  report(error);
  process.exitCode = exitCodeOf(error);
}
