/** Finds the assistant's turns in a rendered conversation: what supervised fine-tuning trains on. */
import { InputError } from '../../data/errors.ts';
import type { Message, Tool } from '../../data/records.ts';
import { commonPrefix, commonSuffix, PROBES, renderedOrNone, type ChatTemplate } from './chat-template.ts';
import type { Span } from './jinja.ts';
import { callsOf, withCalls, withText, type TemplateMessage } from './messages.ts';
import { checkWritten, nothingWritten } from './unwritten.ts';

/**
 * Renders a conversation up to the end of its last assistant turn.
 *
 * A template with `{% generation %}` marks the assistant's turns itself, as for transformers' `return_assistant_tokens_mask`. Otherwise a
 * turn is found by rendering the whole conversation with other contents in that turn: a template may write an earlier turn differently
 * from the last one.
 * @returns the text, and the spans of the turns in it: the content with its end-of-turn token, without the header
 * @throws InputError when the template does not write an assistant message's content
 */
export function assistantTurns(
  chat: ChatTemplate,
  messages: TemplateMessage[],
  tools?: Tool[],
): { text: string; turns: Span[] } {
  checkWritten(chat, messages, tools);
  const { text, turns: marked } = chat.render(messages, tools);
  if (marked) return { text: text.slice(0, marked.at(-1)?.[1] ?? 0), turns: marked };
  const header = headerOf(chat);
  const turns: Span[] = [];
  for (const [i, { role }] of messages.entries()) {
    if (role === 'assistant') turns.push(turnOf(chat, { messages, tools, text, header }, i, turns.at(-1)?.[1] ?? 0));
  }
  const last = turns.at(-1);
  if (!last) throw new InputError('the conversation has no assistant message: there is nothing to train on.');
  if (messages.at(-1)!.role !== 'assistant') return { text: text.slice(0, last[1]), turns };
  const closed = chat.close(text, () => last[0]);
  return { text: closed, turns: [...turns.slice(0, -1), [last[0], closed.length]] };
}

interface Rendered {
  messages: TemplateMessage[];
  tools?: Tool[];
  text: string;
  header: string;
}

function turnOf(chat: ChatTemplate, { messages, tools, text, header }: Rendered, i: number, previousEnd: number): Span {
  const others = variantsOf(messages[i]).map((pair) =>
    pair.map((message) => chat.render(messages.with(i, message), tools).text),
  );
  const found = others.find(([one, other]) => one !== other);
  if (!found) throw nothingWritten(chat, i, tools);
  const [one, other] = found;
  const contentStart = Math.min(commonPrefix(one, other), commonPrefix(text, one), commonPrefix(text, other));
  const contentEnd = Math.max(
    contentStart,
    text.length - Math.min(commonSuffix(one, other), commonSuffix(text, one), commonSuffix(text, other)),
  );
  const start = startOf(chat, { messages, tools, text, header }, i, previousEnd, contentStart);
  const { tail, kept, token = '', isAppended } = chat.ending;
  const turn = tail.slice(0, kept);
  if (text.startsWith(turn, contentEnd)) return [start, contentEnd + turn.length];
  // Tool calls are between the content and the end of the turn.
  const end = isAppended || !messages[i]['tool_calls'] ? -1 : text.indexOf(token, contentEnd);
  return [start, end < 0 ? contentEnd : end + token.length];
}

/** Index at which the policy begins the turn: after the prompt, if the template writes the prompt alone the same; else after the header. */
function startOf(
  chat: ChatTemplate,
  { messages, tools, text, header }: Rendered,
  i: number,
  previousEnd: number,
  contentStart: number,
): number {
  const prompt = i === 0 ? undefined : renderedOrNone(() => chat.render(messages.slice(0, i), tools, true).text);
  if (prompt !== undefined && prompt.length <= contentStart && text.startsWith(prompt)) return prompt.length;
  const at = header === '' ? -1 : text.lastIndexOf(header, contentStart - header.length);
  return at >= previousEnd && at + header.length <= contentStart ? at + header.length : contentStart;
}

/** The message with other contents; and with other tool calls, for templates that omit the content beside a call. */
const variantsOf = (message: TemplateMessage): TemplateMessage[][] => [
  PROBES.map((content) => withText(message, content)),
  ...(callsOf(message).length > 0 ? [PROBES.map((name) => withCalls(message, () => name))] : []),
];

/** What the template writes before every answer: the end of the prompt, as far as it also precedes an earlier turn. */
function headerOf(chat: ChatTemplate): string {
  const question: Message = { role: 'user', content: 'probe' };
  const open = chat.render(chat.messages([question], 'user'), undefined, true).text;
  const generationPrompt = open.slice(commonPrefix(open, chat.render(chat.messages([question], 'user')).text));
  const [one, other] = PROBES.map((content) => {
    const turns = [question, { role: 'assistant', content }, question, { role: 'assistant', content: 'probe' }];
    return chat.render(chat.messages(turns, 'user')).text;
  });
  const before = one.slice(0, commonPrefix(one, other));
  const at = longestStart(generationPrompt, before);
  return generationPrompt.slice(0, at);
}

/** The length of the longest prefix of a text that another text ends with. */
function longestStart(text: string, other: string): number {
  let length = text.length;
  while (length > 0 && !other.endsWith(text.slice(0, length))) length--;
  return length;
}
