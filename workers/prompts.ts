/** Checks the prompts and benchmarks of a configuration as `prepare` does, if that needs no download. */
import { existsSync } from 'node:fs';
import { checkBenchmark } from '../activities/benchmarks/check.ts';
import { checkPrompts, type CheckedPrompts } from '../activities/prompts/check.ts';
import type { BenchmarkPrompts } from '../activities/prompts/keys.ts';
import { lengthSettings } from '../activities/prompts/limits.ts';
import type { StoredPrompts } from '../activities/prompts/stored.ts';
import { usedPrompts } from '../activities/prompts/used.ts';
import { isFromRun, releasesBehind } from '../activities/release.ts';
import { benchmarkOf } from '../config/benchmarks.ts';
import { InputError } from '../data/errors.ts';
import { cachedModel } from '../data/hub/models.ts';
import { isDatasetId } from '../data/hub/ids.ts';
import { isRemote } from '../data/source.ts';
import { Spool } from '../data/spool.ts';
import { readModelConfig } from '../engine/model-files/config.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { createPrograms, type LabelSettings } from '../labelers/index.ts';
import type { Labeler } from '../labelers/labeler.ts';
import { heldOutLabeler, labelerSettings } from '../labelers/needs.ts';
import type { RunConfig } from '../config/run.ts';
import { cacheFolder } from './places.ts';
import { isStoreRemote, openStore } from './store.ts';

/**
 * Checks prompts on this machine.
 * @param benchmarks the prompts of the run's benchmarks
 * @param unknown receives a sentence if the prompts cannot be checked
 * @throws InputError when the run could not use the prompts
 */
export async function checkLocalPrompts(
  config: RunConfig,
  unknown: string[],
  benchmarks: BenchmarkPrompts[] = [],
): Promise<CheckedPrompts | undefined> {
  const { model, prompts, seed } = config;
  const folder = localModel(config);
  const remote = [prompts.train, prompts.heldOut].find((source) => typeof source === 'string' && isRemote(source));
  if (folder === undefined || remote !== undefined) {
    unknown.push(
      'Prompts are not checked (too long, repeated, held out and trained on): ' +
        `${folder === undefined ? model : remote} is not on this machine.`,
    );
    return undefined;
  }
  const spool = new Spool<never>(cacheFolder());
  try {
    const limits = lengthSettings(config);
    const used = await knownUsed(config, unknown);
    const input = { prompts, limits, seed, used, trainsOnUsed: true, benchmarks, ...filesOf(config, folder) };
    const [labelers, heldOutLabelers] = await labelersOf(config);
    const checked = await checkPrompts(input, spool, {}, (prompt) => labelers.forEach((one) => one.check?.(prompt)));
    for (const prompt of checked.heldOut) for (const one of heldOutLabelers) one.check?.(prompt);
    return checked;
  } finally {
    spool.close();
  }
}

/** The labelers that check training prompts, and those that check held-out prompts, without models, servers and modules. */
async function labelersOf({ label, evaluate }: RunConfig): Promise<Labeler[][]> {
  return Promise.all([
    createAll([labelerSettings(label)]),
    createAll([heldOutLabeler({ label, evaluate }), evaluate.secondJudge]),
  ]);
}

const createAll = async (all: (LabelSettings | undefined)[]) =>
  (await Promise.all(all.map((settings) => (settings ? createPrograms(settings) : [])))).flat();

/**
 * The prompts that the start policy was trained on, as far as this machine knows.
 * @param unknown receives a sentence if the policy comes from a run that this machine does not know
 */
async function knownUsed(config: RunConfig, unknown: string[]): Promise<StoredPrompts[]> {
  if (!(await isFromRun(config))) return [];
  const store = isStoreRemote() ? undefined : await openStore();
  const releases = store ? await releasesBehind(store, config) : [];
  if (releases.length === 0)
    unknown.push(
      'Held-out prompts are not compared with those that the start policy was trained on: ' +
        (store ? `the store of this machine does not have its release.` : 'the store is in a bucket.'),
    );
  return store ? usedPrompts(store, releases) : [];
}

/** Checks the benchmarks on this machine. @returns their prompts, and a sentence for each that cannot run */
export async function checkLocalBenchmarks(
  config: RunConfig,
): Promise<{ benchmarks: BenchmarkPrompts[]; problems: string[] }> {
  const folder = localModel(config);
  const benchmarks: BenchmarkPrompts[] = [];
  const problems: string[] = [];
  for (const benchmark of (config.evaluate.benchmarks ?? []).map(benchmarkOf)) {
    if (benchmark.name === 'alpaca-eval' && isDatasetId(benchmark.data)) continue;
    const files = folder === undefined ? undefined : filesOf(config, folder);
    try {
      benchmarks.push(await checkBenchmark(benchmark, files, {}));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(error.message);
    }
  }
  return { benchmarks, problems };
}

const localModel = ({ model }: RunConfig): string | undefined => (existsSync(model) ? model : cachedModel(model));

const filesOf = ({ chatTemplate }: RunConfig, folder: string) => ({
  tokenizer: loadTokenizer(folder, chatTemplate),
  config: readModelConfig(folder),
});
