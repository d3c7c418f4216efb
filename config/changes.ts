/** Settings that change while a run is in progress. Workflows import this file: it loads no schema and no file. */

/** Values by key, where keys are joined by dots: `{ 'optimize.learningRate': 1e-5 }`. */
export type Settings = Record<string, unknown>;

/** Settings of round `from` and all later rounds; 0 stands for what precedes the first round. */
export interface Change {
  from: number;
  settings: Settings;
}

/** A copy of the configuration with some settings replaced. */
export function withSettings<C extends object>(config: C, settings: Settings): C {
  return Object.entries(settings).reduce((changed, [key, value]) => replaced(changed, key.split('.'), value), config);
}

/** The value of a setting. @param key joined by dots; its sections exist */
export const valueAt = (config: object, key: string): unknown =>
  key.split('.').reduce<unknown>((section, name) => (section as Settings)[name], config);

function replaced<C extends object>(section: C, [key, ...below]: string[], value: unknown): C {
  const inner = (section as Record<string, unknown>)[key];
  return { ...section, [key]: below.length === 0 ? value : replaced(Object(inner) as object, below, value) };
}

/** A setting that differs between two configurations; undefined in the one that does not have it. */
export interface Difference {
  /** Joined by dots. */
  key: string;
  before: unknown;
  after: unknown;
}

/** The settings in which two configurations differ. A list is one setting. */
export function differencesOf(before: object, after: object, prefix = ''): Difference[] {
  const [from, to] = [before, after] as Record<string, unknown>[];
  return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((name) => {
    const [key, old, now] = [`${prefix}${name}`, from[name], to[name]];
    if (isSection(old) && isSection(now)) return differencesOf(old, now, `${key}.`);
    return JSON.stringify(old) === JSON.stringify(now) ? [] : [{ key, before: old, after: now }];
  });
}

/** Whether two keys are the same, or one is in the section of the other. */
export const overlap = (key: string, other: string): boolean =>
  key === other || key.startsWith(`${other}.`) || other.startsWith(`${key}.`);

const isSection = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The configuration of a round, with all changes up to it. */
export function configOfRound<C extends object>(config: C, changes: Change[], round: number): C {
  return changes
    .filter(({ from }) => from <= round)
    .reduce((changed, { settings }) => withSettings(changed, settings), config);
}

const LONGEST_VALUE = 60;

/** A setting's value as text, cut if it is long. */
export function showValue(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= LONGEST_VALUE ? text : `${text.slice(0, LONGEST_VALUE)}...`;
}

/** A setting as for `--set`, cut if it is long. @example showSetting('optimize.learningRate', 1e-5) // 'optimize.learningRate=0.00001' */
export const showSetting = (key: string, value: unknown): string => `${key}=${showValue(value)}`;
