/** `--set key=value`: a setting in place of the configuration's. */
import { Option } from 'commander';
import { InputError } from '../data/errors.ts';
import { parseYaml } from '../data/yaml.ts';
import type { Settings } from '../config/changes.ts';

/** @param about what becomes of it; the option may be repeated */
export const setOption = (about: string) =>
  new Option(
    '--set <key=value>',
    `${about} As in the configuration: optimize.learningRate=1e-5, or a section: 'label={by: verifier}'. May be repeated.`,
  ).argParser((text: string, settings: Settings = {}) => ({ ...settings, ...readSetting(text) }));

/** Values are YAML, as in the configuration. */
function readSetting(text: string): Settings {
  const [, key, value] = /^([\w.]+)=(.+)$/s.exec(text) ?? [];
  if (key === undefined) throw new InputError(`--set ${text} is no setting: give key=value.`);
  return { [key]: parseYaml(value, `The value of --set ${text}`) };
}
