/** Tools and tool calls on the pages have the numbers and the order of keys of their file. */
import { expect, test } from 'vitest';
import { exactJson } from '../../data/exact-json.ts';
import type { Message } from '../../data/records.ts';
import { comparedText, promptHtml } from '../../web/label/text.ts';

const given = '{"n": 0.0, "10": 1, "2": 9223372036854775807}';
const shown = '"n": 0.0,\n    "10": 1,\n    "2": 9223372036854775807';

test('tools and tool calls are shown as they were given', () => {
  expect(promptHtml('Hi', `[${given}]`, 'raw').text.replaceAll('&quot;', '"')).toContain(shown);
  const call = { role: 'assistant', tool_calls: exactJson(`[${given}]`) } as Message;
  expect(comparedText([call])).toContain(shown);
});
