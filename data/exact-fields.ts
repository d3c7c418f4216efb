/** Fields of a row whose values chat templates write: they keep exact numbers and the order of keys (exact-json.ts). */
import { exactJson, mayLose } from './exact-json.ts';
import { TEXTS } from './sharegpt.ts';

const FIELDS = new Set([...TEXTS, 'conversations', 'base_prompt', 'tools', 'chat_template_kwargs']);
/** Keys of a message that selm reads itself. */
const OWN_KEYS = ['role', 'content', 'from', 'value'];

/** Whether a value is exact. @param path of the value in its row, such as `messages`, `0`, `tool_calls` */
export function isExact([field, , key, ...rest]: string[]): boolean {
  if (field === 'responses' && key === 'text') return isExact(['response', ...rest]);
  return FIELDS.has(field) && !OWN_KEYS.includes(key);
}

/** The fields of a row. @param plain what its JSON text contains */
export function exactFields(plain: object, text: string): object {
  const fields = plain as Fields;
  const names = Object.keys(plain).filter((name) => FIELDS.has(name) && isObject(fields[name]));
  const { responses } = fields;
  const hasConversations = Array.isArray(responses) && responses.some((response) => isObject(response?.text));
  if ((names.length === 0 && !hasConversations) || !mayLose(text)) return plain;
  const exact = exactJson(text) as Fields;
  const replaced = names.map((name) => [name, exactAt([name], fields[name], exact[name])]);
  return {
    ...plain,
    ...Object.fromEntries(replaced),
    ...(hasConversations && { responses: exactResponses(responses, exact['responses'] as Fields[]) }),
  };
}

/** The responses of a row, with exact values in those that are conversations. Their other fields are not for templates. */
const exactResponses = (plain: Fields[], exact: Fields[]): Fields[] =>
  plain.map((response, i) =>
    isObject(response?.['text'])
      ? { ...response, text: exactAt(['response'], response['text'], exact[i]['text']) }
      : response,
  );

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
