/** Makes the paths of a configuration absolute, and tells them from hub ids. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { readFailure } from '../data/file-errors.ts';
import { isDatasetId, isModelId } from '../data/hub/ids.ts';
import { locateLabeler } from '../labelers/index.ts';
import type { Locate } from '../labelers/labeler.ts';
import type { BenchmarkEntry } from './benchmarks.ts';
import type { RunConfig } from './run.ts';

export interface LocateFrom extends Locate {
  /** A text with the form of an id is a path only if that path exists. */
  pathOrId(given: string, isId: (text: string) => boolean): string;
}

/** Locates what the settings of a file in `folder` name. */
export function locateFrom(folder: string): LocateFrom {
  const path = (given: string) => resolve(folder, withHome(given));
  const pathOrId = (given: string, isId: (text: string) => boolean) =>
    isId(given) && !existsSync(path(given)) ? given : path(given);
  return located({ path, pathOrId, text: (given, advice) => textOf(path(given), advice) });
}

/** The path with the home folder in place of `~`, which no shell has expanded. TRL expands its output_dir, too. */
const withHome = (path: string): string => path.replace(/^~(?=\/|$)/, () => homedir());

/** Begins a text that `locateNothing` has put in the place of a path. Configurations cannot contain this character. */
const PATH = '\0';

/**
 * Marks what a configuration names on this machine; `pathIn` finds the marks. A text with the form of an id is an id. Texts of files in
 * `folder` are read.
 */
export function locateNothing(folder: string): LocateFrom {
  const pathOrId = (given: string, isId: (text: string) => boolean) => (isId(given) ? given : marked(given));
  return located({ path: marked, pathOrId, text: locateFrom(folder).text });
}

const located = (locate: Pick<LocateFrom, 'path' | 'pathOrId' | 'text'>): LocateFrom => ({
  ...locate,
  model: (given) => locate.pathOrId(given, isModelId),
  dataset: (given) => locate.pathOrId(given, isDatasetId),
});

function textOf(file: string, advice: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw readFailure(file, error, advice);
  }
}

const marked = (path: string) => `${PATH}${path}`;

/** The first path in a configuration that was read with `locateNothing`, and its key, joined by dots. */
export function pathIn(value: unknown, key = ''): { key: string; path: string } | undefined {
  if (typeof value === 'string') return value.startsWith(PATH) ? { key, path: value.slice(PATH.length) } : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const found = pathIn(inner, key === '' ? name : `${key}.${name}`);
    if (found) return found;
  }
  return undefined;
}

/** The sections that can change while a run is in progress, with their paths made absolute. */
export function locateSections<C extends Pick<RunConfig, 'sample' | 'label' | 'evaluate'>>(
  config: C,
  locate: Locate,
): C {
  const { sample, label, evaluate } = config;
  const { labeler, secondJudge, benchmarks } = evaluate;
  const { server } = sample;
  const adapterFolder = server?.adapterFolder;
  return {
    ...config,
    sample: {
      ...sample,
      ...(adapterFolder !== undefined && { server: { ...server!, adapterFolder: locate.path(adapterFolder) } }),
    },
    label: locateLabeler(label, locate),
    evaluate: {
      ...evaluate,
      ...(labeler && { labeler: locateLabeler(labeler, locate) }),
      ...(secondJudge && { secondJudge: locateLabeler(secondJudge, locate) }),
      ...(benchmarks && { benchmarks: benchmarks.map((entry) => locateBenchmark(entry, locate)) }),
    },
  };
}

/** An entry of `evaluate.benchmarks` with absolute paths. */
function locateBenchmark(entry: BenchmarkEntry, locate: Locate): BenchmarkEntry {
  if (typeof entry === 'string') return entry;
  if ('mt-bench' in entry) {
    const { judge, questions, references, ...settings } = entry['mt-bench'];
    return {
      'mt-bench': {
        ...settings,
        ...(judge && { judge: judge.server === undefined ? { ...judge, model: locate.model(judge.model) } : judge }),
        ...(questions !== undefined && { questions: locate.path(questions) }),
        ...(references !== undefined && { references: locate.path(references) }),
      },
    };
  }
  if ('alpaca-eval' in entry) {
    const { data, ...settings } = entry['alpaca-eval'];
    return { 'alpaca-eval': { ...settings, ...(data !== undefined && { data: locate.dataset(data) }) } };
  }
  if (!('lm-eval' in entry)) return entry;
  const settings = entry['lm-eval'];
  if (Array.isArray(settings) || settings.includePath === undefined) return entry;
  return { 'lm-eval': { ...settings, includePath: locate.path(settings.includePath) } };
}
