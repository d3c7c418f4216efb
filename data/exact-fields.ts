/** Fields of a row whose values chat templates write: they keep exact numbers and the order of keys (exact-json.ts). */
import { exactJson, mayLose } from './exact-json.ts';
import { TEXTS } from './sharegpt.ts';

const FIELDS = new Set([...TEXTS, 'conversations', 'base_prompt', 'tools', 'chat_template_kwargs']);
/** Keys of a message that selm reads itself. */
const OWN_KEYS = ['role', 'content', 'from', 'value'];

/** Whether a value is exact. @param path of the value in its row, such as `messages`, `0`, `tool_calls` */
export const isExact = ([field, , key]: string[]): boolean => FIELDS.has(field) && !OWN_KEYS.includes(key);

/** The fields of a row. @param plain what its JSON text contains */
export function exactFields(plain: object, text: string): object {
  const names = Object.keys(plain).filter((name) => FIELDS.has(name) && isObject((plain as Fields)[name]));
  if (names.length === 0 || !mayLose(text)) return plain;
  const exact = exactJson(text) as Fields;
  const replaced = names.map((name) => [name, exactAt([name], (plain as Fields)[name], exact[name])]);
  return { ...plain, ...Object.fromEntries(replaced) };
}

/**
 * The exact value at a path in a row, without what selm reads itself.
 * @param plain and exact: the value in both forms
 */
export function exactAt(path: string[], plain: unknown, exact: unknown): unknown {
  if (path.length > 2) return exact;
  if (Array.isArray(plain))
    return plain.map((entry, i) => exactAt([...path, String(i)], entry, (exact as unknown[])[i]));
  if (!isObject(plain)) return plain;
  const own = OWN_KEYS.filter((key) => Object.hasOwn(plain, key)).map((key) => [key, plain[key]]);
  return { ...(exact as Fields), ...(path.length === 2 && Object.fromEntries(own)) };
}

type Fields = Record<string, unknown>;
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
