/** Reads settings of tokenizer.json. A setting that is missing or of another type is an error that names it. */
export type Settings = Record<string, unknown>;

/** What a part of tokenizer.json is: `ByteLevel`, `Split`, … */
export const typeOf = (settings: Settings): string => text(settings, 'type');

/** A setting that is a text. */
export function text(settings: Settings, key: string, fallback?: string): string {
  const value = settings[key] ?? fallback;
  if (typeof value === 'string') return value;
  throw new Error(`${nameOf(settings)} has no text "${key}"`);
}

/** A setting that is true or false. */
export function flag(settings: Settings, key: string, fallback?: boolean): boolean {
  const value = settings[key] ?? fallback;
  if (typeof value === 'boolean') return value;
  throw new Error(`"${key}" of ${nameOf(settings)} is neither true nor false`);
}

/** A setting that is an integer of 0 or more. */
export function count(settings: Settings, key: string): number {
  const value = settings[key];
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new Error(`${nameOf(settings)} has no number "${key}"`);
}

/** A setting that is a list of parts. */
export function parts(settings: Settings, key: string): Settings[] {
  const value = settings[key];
  if (Array.isArray(value)) return value.map((part) => settingsOf(part, `"${key}" of ${nameOf(settings)}`));
  throw new Error(`${nameOf(settings)} has no list "${key}"`);
}

/** A value as settings. @param name for the error */
export function settingsOf(value: unknown, name: string): Settings {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Settings;
  throw new Error(`${name} is not an object`);
}

const nameOf = ({ type }: Settings): string => (typeof type === 'string' ? type : 'a part of it');
