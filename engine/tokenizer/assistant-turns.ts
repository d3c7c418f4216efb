/** Finds the assistant's turns in a rendered conversation: what supervised fine-tuning trains on. */
import { InputError } from '../../data/errors.ts';
import type { Message, Tool } from '../../data/records.ts';
import { PROBES, renderedOrNone, type ChatTemplate } from './chat-template.ts';
import { commonPrefixLength, commonSuffixLength } from './common-length.ts';
import type { Span } from './jinja/template.ts';
import { callsOf, withArguments, withCalls, withText, type TemplateMessage } from './messages.ts';
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
  const closed = chat.ending.close(text, () => last[0]);
  return { text: closed, turns: [...turns.slice(0, -1), [last[0], closed.length]] };
}

interface Rendered {
  messages: TemplateMessage[];
  tools?: Tool[];
  text: string;
  header: string;
}

function turnOf(chat: ChatTemplate, rendered: Rendered, i: number, previousEnd: number): Span {
  const { messages, tools, text } = rendered;
  const content = spanOf(chat, rendered, i, contentsOf(messages[i]));
  const calls = callsOf(messages[i]).length > 0 ? callSpans(chat, rendered, i) : [];
  const parts = [content, ...calls].filter((span) => span !== undefined);
  if (parts.length === 0) throw nothingWritten(chat, i, tools);
  const { tail, kept, isAppended } = chat.ending;
  if (calls.length === 0 && !isAppended && text.startsWith(tail.slice(0, kept), content![1])) {
    return [startOf(chat, rendered, i, previousEnd, content![0]), content![1] + kept];
  }
  const bound = nextStart(chat, rendered, i);
  // Gemma 4 writes the results of tools before the text beside their calls. The turn ends before the results.
  const before = parts.filter(([start]) => start < bound);
  const [own, limit] = before.length > 0 ? [before, bound] : [parts, text.length];
  const start = Math.min(...own.map(([from]) => from));
  const end = Math.min(limit, Math.max(...own.map(([, to]) => to)));
  return [startOf(chat, rendered, i, previousEnd, start), endOf(chat, rendered, i, end, limit)];
}

/**
 * Where the tool calls of a message are written. Their names may be repeated in the results, so they mark only where the calls begin, unless
 * the calls have no arguments.
 */
function callSpans(chat: ChatTemplate, rendered: Rendered, i: number): Span[] {
  const message = rendered.messages[i];
  const named = spanOf(chat, rendered, i, both(withCalls, message));
  const given = spanOf(chat, rendered, i, both(withArguments, message));
  if (!named || !given) return [named ?? given].filter((span) => span !== undefined);
  return [[named[0], named[0]], given];
}

const both = (change: typeof withCalls, message: TemplateMessage) =>
  PROBES.map((word) => change(message, () => word)) as Pair;

const contentsOf = (message: TemplateMessage) => PROBES.map((content) => withText(message, content)) as Pair;

type Pair = [TemplateMessage, TemplateMessage];

/** The part of the text that is different with other variants of a message; undefined if the template does not write what differs. */
function spanOf(chat: ChatTemplate, { messages, tools, text }: Rendered, i: number, pair: Pair): Span | undefined {
  // Some templates refuse a message with reasoning, calls and a text.
  const [one, other] = pair.map((message) => renderedOrNone(() => chat.render(messages.with(i, message), tools).text));
  if (one === undefined || other === undefined || one === other) return undefined;
  const start = Math.min(
    commonPrefixLength(one, other),
    commonPrefixLength(text, one),
    commonPrefixLength(text, other),
  );
  const rest = Math.min(commonSuffixLength(one, other), commonSuffixLength(text, one), commonSuffixLength(text, other));
  return [start, Math.max(start, text.length - rest)];
}

/** Index at which what the next message contains begins; the end of the text if no later message is written. */
function nextStart(chat: ChatTemplate, rendered: Rendered, i: number): number {
  const { messages, text } = rendered;
  for (let next = i + 1; next < messages.length; next++) {
    const calls = callsOf(messages[next]).length > 0 ? callSpans(chat, rendered, next) : [];
    const starts = [spanOf(chat, rendered, next, contentsOf(messages[next])), ...calls].flatMap((span) =>
      span ? [span[0]] : [],
    );
    if (starts.length > 0) return Math.min(...starts);
  }
  return text.length;
}

/**
 * Index at which a turn ends: after the token that ends it.
 * @param contentEnd index after its text and its calls
 * @param limit index before which it ends
 */
function endOf(chat: ChatTemplate, { messages, tools, text }: Rendered, i: number, contentEnd: number, limit: number) {
  const rest = text.slice(contentEnd, limit);
  const end = chat.ending.endIn(rest);
  if (end !== undefined) return contentEnd + end;
  const { tail, kept, isAppended } = chat.ending;
  if (kept > 0 && rest.startsWith(tail.slice(0, kept))) return contentEnd + kept;
  // No token that is known as an end: the turn ends where the conversation up to it ends, or with the next added token.
  const alone = renderedOrNone(() => chat.render(messages.slice(0, i + 1), tools).text.trimEnd());
  const isWhole = alone !== undefined && alone.length >= contentEnd && alone.length <= limit && text.startsWith(alone);
  if (isWhole) return alone.length;
  return contentEnd + ((isAppended ? undefined : chat.ending.addedIn(rest)) ?? 0);
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

/** What the template writes before every answer: the end of the prompt, as far as it also precedes an earlier turn. */
function headerOf(chat: ChatTemplate): string {
  const question: Message = { role: 'user', content: 'probe' };
  const asked = chat.render(chat.messages([question], 'user')).text;
  const open = chat.render(chat.messages([question], 'user'), undefined, true).text;
  const generationPrompt = open.slice(commonPrefixLength(open, asked));
  const [one, other] = PROBES.map((content) => {
    const turns = [question, { role: 'assistant', content }, question, { role: 'assistant', content: 'probe' }];
    return chat.render(chat.messages(turns, 'user')).text;
  });
  const before = one.slice(0, commonPrefixLength(one, other));
  const header = generationPrompt.slice(0, longestStart(generationPrompt, before));
  if (header !== '' || !before.startsWith(asked)) return header;
  // More than the end of the prompt precedes an answer, such as a channel or an empty thought.
  const shared = generationPrompt.slice(0, commonPrefixLength(generationPrompt, before.slice(asked.length)));
  return shared.trim() === '' ? '' : shared;
}

/** The length of the longest prefix of a text that another text ends with. */
function longestStart(text: string, other: string): number {
  let length = text.length;
  while (length > 0 && !other.endsWith(text.slice(0, length))) length--;
  return length;
}
