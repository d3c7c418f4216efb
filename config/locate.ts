/** Makes the paths of a configuration absolute, and tells them from hub ids. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { isModelId } from '../data/hub-ids.ts';
import { locateLabeler } from '../labelers/index.ts';
import type { Locate } from '../labelers/labeler.ts';
import type { RunConfig } from './run.ts';

export interface LocateFrom extends Locate {
  /** A text with the form of an id is a path only if that path exists. */
  pathOrId(given: string, isId: (text: string) => boolean): string;
}

/** Locates what the settings of a file in `folder` name. */
export function locateFrom(folder: string): LocateFrom {
  const path = (given: string) => resolve(folder, given);
  const pathOrId = (given: string, isId: (text: string) => boolean) =>
    isId(given) && !existsSync(path(given)) ? given : path(given);
  return { path, pathOrId, model: (given) => pathOrId(given, isModelId) };
}

/** The sections that can change while a run is in progress, with their paths made absolute. */
export function locateSections<C extends Pick<RunConfig, 'sample' | 'label' | 'evaluate'>>(
  config: C,
  locate: Locate,
): C {
  const { sample, label, evaluate } = config;
  const { secondJudge } = evaluate;
  const { server } = sample;
  const adapterFolder = server?.adapterFolder;
  return {
    ...config,
    sample: {
      ...sample,
      ...(adapterFolder !== undefined && { server: { ...server!, adapterFolder: locate.path(adapterFolder) } }),
    },
    label: locateLabeler(label, locate),
    evaluate: { ...evaluate, ...(secondJudge && { secondJudge: locateLabeler(secondJudge, locate) }) },
  };
}
