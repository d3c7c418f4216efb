/** Checks the settings of `--set`, which change a run while it is in progress. */
import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { InputError } from '../data/errors.ts';
import { parseYaml } from '../data/yaml.ts';
import { valueAt, withSettings, type Settings } from './changes.ts';
import { locateFrom, locateSections } from './locate.ts';
import { describeProblem } from './problem.ts';
import { runSchema, type RunConfig } from './run.ts';

/** What can change: everything else is used before the first round begins. */
const CHANGEABLE = ['sample', 'label', 'optimize', 'evaluate', 'onFailure', 'budget', 'workers'];

/** A setting that cannot change, or not to this value. */
export class BadSetting extends InputError {}

const sectionOf = (key: string) => key.split('.')[0];

/** Whether `selm retry --set` can change a setting. */
export const isChangeable = (key: string): boolean => CHANGEABLE.includes(sectionOf(key));

/** The settings that can change. */
export const changeableSettings = (config: RunConfig): Partial<RunConfig> =>
  Object.fromEntries(Object.entries(config).filter(([key]) => isChangeable(key)));

/**
 * Parses `key=value`. The value is YAML, as in the configuration.
 * @throws BadSetting when it is not a setting
 */
export function readSetting(text: string): Settings {
  const [, key, value] = /^([\w.]+)=(.+)$/s.exec(text) ?? [];
  if (key === undefined) throw new BadSetting(`--set ${text} is not a setting: give key=value.`);
  try {
    return { [key]: parseYaml(value, `The value of --set ${text}`) };
  } catch (error) {
    throw error instanceof InputError ? new BadSetting(error.message) : error;
  }
}

/**
 * Checks settings for a run in progress. Paths are relative to the current folder.
 * @param filesAreHere whether the workers run on this machine: then the files that the settings name must exist
 * @returns the settings with their defaults filled in
 * @throws BadSetting that names the setting
 */
export function checkSettings(config: RunConfig, settings: Settings, filesAreHere = false): Settings {
  const fixed = Object.keys(settings).find((key) => !isChangeable(key) && sectionOf(key) in runSchema.shape);
  if (fixed !== undefined) {
    throw new BadSetting(
      `--set ${fixed}: only ${CHANGEABLE.join(', ')} can change while a run is in progress; ` +
        'start a run with another name instead.',
    );
  }
  const changed = withSettings(config, settings);
  const parsed = runSchema.safeParse(changed);
  if (!parsed.success) throw new BadSetting(`--set: ${describeProblem(runSchema, changed, parsed.error)}`);
  const { located, files } = locatedWithFiles(parsed.data);
  if (filesAreHere) {
    const before = locatedWithFiles(config).files;
    const missing = files.find((file) => !before.includes(file) && !existsSync(file));
    if (missing !== undefined)
      throw new BadSetting(`--set ${Object.keys(settings).join(', ')}: ${missing} does not exist; correct the path.`);
  }
  return Object.fromEntries(Object.keys(settings).map((key) => [key, valueAt(located, key)]));
}

type Located = Pick<RunConfig, 'sample' | 'label' | 'evaluate'>;

/** The configuration with absolute paths, and these paths. */
function locatedWithFiles<C extends Located>(config: C): { located: C; files: string[] } {
  const { path, model, dataset, text } = locateFrom('.');
  const files: string[] = [];
  const noted = (locate: (given: string) => string) => (given: string) => {
    const found = locate(given);
    if (isAbsolute(found)) files.push(found);
    return found;
  };
  const locate = { path: noted(path), model: noted(model), dataset: noted(dataset), text };
  return { located: locateSections(config, locate), files };
}
