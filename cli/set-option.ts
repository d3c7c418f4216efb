/** `--set key=value`: replaces a setting of the configuration. */
import { Option } from 'commander';
import type { Settings } from '../config/changes.ts';
import { readSetting } from '../config/set.ts';

/** Creates the option. @param about its description: a sentence that says what the setting changes */
export const setOption = (about: string) =>
  new Option(
    '--set <key=value>',
    `${about} Keys and values are those of the configuration: optimize.learningRate=1e-5, or a section: ` +
      "'label={by: verifier}'. Can be repeated.",
  ).argParser((text: string, settings: Settings = {}) => ({ ...settings, ...readSetting(text) }));

/** Writes the option as a person types it in a shell, which would change brackets, braces and quotes. */
export function setFlag(key: string, value: unknown): string {
  const setting = `${key}=${JSON.stringify(value)}`;
  return `--set ${/^[\w.=-]+$/.test(setting) ? setting : `'${setting.replaceAll("'", String.raw`'\''`)}'`}`;
}
