/** The filter `tojson`, as transformers defines it: Python's json.dumps. */
import { compareTexts, number, type Value } from './values.ts';

/** The parameters of `tojson`, in their order. */
export const JSON_PARAMETERS = ['ensure_ascii', 'indent', 'separators', 'sort_keys'] as const;
export type JsonOptions = Partial<Record<(typeof JSON_PARAMETERS)[number], Value>>;

/** @throws when a value is undefined or a function */
export function toJson(value: Value, options: JsonOptions = {}): string {
  const indent = typeof options.indent?.value === 'number' ? options.indent.value : undefined;
  const pair = Array.isArray(options.separators?.value) ? (options.separators.value as Value[]) : undefined;
  const [item, colon] = pair?.map((part) => part.value as string) ?? [indent === undefined ? ', ' : ',', ': '];
  const text = (content: string) => {
    const json = JSON.stringify(content);
    return isTrue(options.ensure_ascii) ? json.replaceAll(/[^ -~]/g, escaped) : json;
  };
  const within = (brackets: string, items: string[], depth: number) => {
    const [open, close] = brackets;
    if (indent === undefined || items.length === 0) return open + items.join(item) + close;
    const line = (level: number) => `\n${' '.repeat(indent * level)}`;
    return open + line(depth + 1) + items.join(item + line(depth + 1)) + line(depth) + close;
  };
  const write = ({ type, value: content }: Value, depth: number): string => {
    if (type === 'NullValue') return 'null';
    if (typeof content === 'boolean') return String(content);
    if (typeof content === 'number' || typeof content === 'bigint') return number({ type, value: content });
    if (typeof content === 'string') return text(content);
    if (type === 'ArrayValue' || type === 'TupleValue') {
      return within(
        '[]',
        (content as Value[]).map((each) => write(each, depth + 1)),
        depth,
      );
    }
    if (type !== 'ObjectValue') throw new Error(`${type.replace('Value', '')} is not JSON serializable`);
    const entries = [...(content as Map<string, Value>)];
    if (isTrue(options.sort_keys)) entries.sort(([a], [b]) => compareTexts(a, b));
    return within(
      '{}',
      entries.map(([key, each]) => text(key) + colon + write(each, depth + 1)),
      depth,
    );
  };
  return write(value, 0);
}

const isTrue = (option: Value | undefined) => option?.value === true;

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
