/** `--set key=value`: replaces a setting of the configuration. */
import { Option } from 'commander';
import { InputError } from '../data/errors.ts';
import { parseYaml } from '../data/yaml.ts';
import type { Settings } from '../config/changes.ts';

/** Creates the option. @param about its description: a sentence that says what the setting changes */
export const setOption = (about: string) =>
  new Option(
    '--set <key=value>',
    `${about} Keys and values are those of the configuration: optimize.learningRate=1e-5, or a section: ` +
      "'label={by: verifier}'. Can be repeated.",
  ).argParser((text: string, settings: Settings = {}) => ({ ...settings, ...readSetting(text) }));

/** Parses `key=value`. The value is YAML, as in the configuration. */
function readSetting(text: string): Settings {
  const [, key, value] = /^([\w.]+)=(.+)$/s.exec(text) ?? [];
  if (key === undefined) throw new InputError(`--set ${text} is not a setting: give key=value.`);
  return { [key]: parseYaml(value, `The value of --set ${text}`) };
}
