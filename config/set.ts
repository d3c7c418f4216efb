/** Checks the settings of `--set`, which change a run while it is in progress. */
import { InputError } from '../data/errors.ts';
import { withSettings, type Settings } from './changes.ts';
import { locateFrom, locateSections } from './locate.ts';
import { describeProblem } from './problem.ts';
import { runSchema, type RunConfig } from './run.ts';

/** The sections that can change: all others are used before the first round begins. */
const CHANGEABLE = ['sample', 'label', 'optimize', 'evaluate', 'onFailure', 'budget'];

const sectionOf = (key: string) => key.split('.')[0];

/** Whether `selm retry --set` can change a setting. */
export const isChangeable = (key: string): boolean => CHANGEABLE.includes(sectionOf(key));

/**
 * Checks settings for a run in progress. Paths are relative to the current folder.
 * @returns the settings with their defaults filled in
 * @throws InputError that names the setting
 */
export function checkSettings(config: RunConfig, settings: Settings): Settings {
  const fixed = Object.keys(settings).find((key) => !isChangeable(key) && sectionOf(key) in runSchema.shape);
  if (fixed !== undefined) {
    throw new InputError(
      `--set ${fixed}: only ${CHANGEABLE.join(', ')} can change while a run is in progress; ` +
        'start a run with another name instead.',
    );
  }
  const changed = withSettings(config, settings);
  const parsed = runSchema.safeParse(changed);
  if (!parsed.success) throw new InputError(`--set: ${describeProblem(runSchema, changed, parsed.error)}`);
  const located = locateSections(parsed.data, locateFrom('.'));
  const valueOf = (key: string) =>
    key.split('.').reduce((section, name) => (section as Settings)[name], located as unknown);
  return Object.fromEntries(Object.keys(settings).map((key) => [key, valueOf(key)]));
}
