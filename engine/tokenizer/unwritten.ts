/**
 * Finds what a chat template leaves out of what it is given. Many templates write neither tool calls nor reasoning, most of those that do
 * leave reasoning out of earlier turns, and some skip messages of roles that they do not know. Nothing in the text that they write shows it.
 */
import { InputError } from '../../data/errors.ts';
import type { Text, Tool } from '../../data/records.ts';
import type { TemplateInputs } from '../../data/template-inputs.ts';
import { renderedOrNone, type ChatTemplate } from './chat-template.ts';
import { callsOf, REASONING, textOf, withCalls, withText, type TemplateMessage } from './messages.ts';

/**
 * What a template may ignore of a row. `ignoredContent` is the text of a message with tool calls or reasoning, `ignoredMessages` that of
 * another message, and `ignoredThoughts` a part of a text, such as `<think>…</think>`.
 */
const IGNORED = [
  'ignoredTools',
  'ignoredArguments',
  'ignoredMessages',
  'ignoredCalls',
  'ignoredReasoning',
  'ignoredThoughts',
  'ignoredContent',
] as const;
export type Ignored = (typeof IGNORED)[number];

/**
 * What the template ignores of a prompt with its responses.
 * @param chat the template with the row's arguments; undefined if the model has none
 * @throws InputError when it writes nothing of a response
 */
export function ignoredBy(
  chat: ChatTemplate | undefined,
  prompt: Text,
  responses: Text[],
  { tools, arguments: given = {} }: TemplateInputs,
): Ignored[] {
  const found = new Set<Ignored>();
  if (tools && tools.length > 0 && !chat?.writesTools) found.add('ignoredTools');
  if (Object.keys(given).some((name) => !chat?.reads(name, tools))) found.add('ignoredArguments');
  if (chat) {
    for (const response of responses) checkResponse(chat, prompt, response, tools);
    const exchanges = responses.map((response) => chat.exchange(prompt, response));
    const conversations = exchanges.length > 0 ? exchanges : [chat.messages(prompt, 'user')];
    const unwritten = conversations.flatMap((messages) => unwrittenIn(chat, messages, tools));
    for (const part of unwritten.flatMap(({ parts }) => parts)) found.add(part);
  }
  return IGNORED.filter((part) => found.has(part));
}

/** Checks that the template writes something of every message of a response. @throws InputError as `checkWritten` */
export const checkResponse = (chat: ChatTemplate, prompt: Text, response: Text, tools?: Tool[]): void =>
  checkWritten(chat, chat.exchange(prompt, response), tools, chat.messages(prompt, 'user').length);

/**
 * Checks that the template writes something of every assistant message: of a message that is left out, only the end of its turn would be
 * trained. A message without any content may end at once.
 * @param from index of the first message to check
 * @throws InputError that names the message
 */
export function checkWritten(chat: ChatTemplate, messages: TemplateMessage[], tools?: Tool[], from = 0): void {
  const left = unwrittenIn(chat, messages, tools).find(({ index, isWhole }) => isWhole && index >= from);
  if (left) throw nothingWritten(chat, left.index, tools);
}

/** The error for an assistant message that the template leaves out. */
export const nothingWritten = (chat: ChatTemplate, index: number, tools?: Tool[]): InputError =>
  new InputError(
    `${chat.nameFor(tools)} writes nothing of assistant message ${index + 1}: ` +
      'leave the message out, or give a template that writes it.',
  );

/** A message that is not written, or only in part. */
interface Unwritten {
  index: number;
  parts: Ignored[];
  /** Whether nothing is written of an assistant message. */
  isWhole: boolean;
}

/**
 * The messages that are not written as a whole: they are rendered with marks in their text, and in the place of their reasoning and tool
 * calls. Empty if the template refuses the marks: without knowing, there is no warning.
 */
function unwrittenIn(chat: ChatTemplate, messages: TemplateMessage[], tools?: Tool[]): Unwritten[] {
  if (isPlain(messages)) return [];
  const isOpen = messages.at(-1)!.role !== 'assistant';
  const rendered = (others: TemplateMessage[]) => renderedOrNone(() => chat.render(others, tools, isOpen).text);
  const marked = messages.map(mark);
  const text = rendered(marked.map(({ message }) => message));
  if (text === undefined) return [];
  return marked.flatMap(({ marks }, index) => {
    const left = marks.filter(({ written }) => !text.includes(written));
    if (left.length === 0) return [];
    const message = messages[index];
    const parts = left.map(({ part }) => part).filter((part) => part !== 'text');
    const isLost = message.role === 'assistant' && left.length === marks.length;
    if (parts.length === left.length) return [{ index, parts, isWhole: isLost }];
    // Of a text, the template may leave out only the part with the mark.
    const [all] = marks.filter(({ part }) => part === 'text');
    const isWritten = rendered(messages.with(index, withText(message, all.written)))?.includes(all.written) ?? true;
    const lost = isWritten ? 'ignoredThoughts' : hasMore(message) ? 'ignoredContent' : 'ignoredMessages';
    return [{ index, parts: [...parts, lost], isWhole: isLost && !isWritten }];
  });
}

/** Whether a conversation has only what every template writes: a question and an answer without a thought. */
const isPlain = (messages: TemplateMessage[]): boolean =>
  ['user', 'user assistant'].includes(messages.map(({ role }) => role).join(' ')) &&
  messages.every((message) => !hasMore(message) && !textOf(message).includes(THOUGHT_END));

/** Keys of a message's reasoning. Templates know the names of `REASONING`; `reasoning_details` is OpenRouter's. */
const THINKING = [...REASONING, 'reasoning_details'];
const reasoningOf = (message: TemplateMessage): string[] => THINKING.filter((key) => !isEmpty(message[key]));

const isEmpty = (value: unknown): boolean =>
  typeof value === 'string' ? value.trim() === '' : typeof value !== 'object' || value === null || sizeOf(value) === 0;
const sizeOf = (value: object): number => Object.keys(value).length;

/** Whether an assistant message has tool calls or reasoning. `function_call` is OpenAI's earlier key of a call. */
const hasMore = (message: TemplateMessage): boolean =>
  message.role === 'assistant' &&
  (callsOf(message).length > 0 || reasoningOf(message).length > 0 || !isEmpty(message['function_call']));

interface Mark {
  part: Ignored | 'text';
  written: string;
}

/** The message with marks in its text, and as its reasoning and its tool calls. */
function mark(message: TemplateMessage, index: number): { message: TemplateMessage; marks: Mark[] } {
  const markOf = (part: string) => `probe${index}${part}`;
  const { text, marks } = markText(message, markOf('text'));
  const withMarks = marks.length > 0 ? withText(message, text) : message;
  if (!hasMore(message)) return { message: withMarks, marks };
  const calls = callsOf(message).map((_, i) => ({ part: 'ignoredCalls' as const, written: markOf(`call${i}x`) }));
  const [thought, functionName] = [markOf('reasoning'), markOf('function')];
  const reasoning = reasoningOf(message);
  const hasFunctionCall = !isEmpty(message['function_call']);
  return {
    message: {
      ...withCalls(withMarks, (i) => calls[i].written),
      ...Object.fromEntries(reasoning.map((key) => [key, inPlace(message[key], thought)])),
      ...(hasFunctionCall && { function_call: inPlace(message['function_call'], functionName) }),
    },
    marks: [
      ...calls,
      ...(hasFunctionCall ? [{ part: 'ignoredCalls' as const, written: functionName }] : []),
      ...(reasoning.length > 0 ? [{ part: 'ignoredReasoning' as const, written: thought }] : []),
      ...marks,
    ],
  };
}

/** A value with a mark as each of its texts. */
function inPlace(value: unknown, written: string): unknown {
  if (typeof value === 'string') return written;
  if (Array.isArray(value)) return value.map((each) => inPlace(each, written));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, key === 'type' ? each : inPlace(each, written)]),
  );
}

const THOUGHT_START = '<think>';
const THOUGHT_END = '</think>';

/**
 * A message's text with a mark in its middle: templates look at the start and the end of a text. The text of an assistant message with a
 * thought gets one in the thought, and one in the answer.
 */
function markText(message: TemplateMessage, written: string): { text: string; marks: Mark[] } {
  const text = textOf(message);
  const end = message.role === 'assistant' ? text.indexOf(THOUGHT_END) : -1;
  const open = text.indexOf(THOUGHT_START);
  const start = open >= 0 && open < end ? open + THOUGHT_START.length : 0;
  const thought = end < 0 ? '' : text.slice(start, end);
  const answerStart = end < 0 ? 0 : text.lastIndexOf(THOUGHT_END) + THOUGHT_END.length;
  const answer = text.slice(answerStart);
  const thoughtMark = { part: 'ignoredThoughts' as const, written: `${written}thought` };
  const textMark = { part: 'text' as const, written: `${written}itself` };
  return {
    text:
      text.slice(0, start) +
      inside(thought, thoughtMark.written) +
      text.slice(start + thought.length, answerStart) +
      inside(answer, textMark.written),
    marks: [...(thought.trim() === '' ? [] : [thoughtMark]), ...(answer.trim() === '' ? [] : [textMark])],
  };
}

/** A tag or a token such as `<tool_call>`, which a mark inside would change. */
const TAG = /<[^<>\s]*>/g;

/** A text with a mark in its middle; unchanged if it is blank. */
function inside(text: string, written: string): string {
  if (text.trim() === '') return text;
  const middle = Math.floor(text.length / 2);
  const tag = [...text.matchAll(TAG)].find(({ index, 0: { length } }) => index < middle && middle < index + length);
  const at = tag ? tag.index + tag[0].length : /[\udc00-\udfff]/.test(text.charAt(middle)) ? middle + 1 : middle;
  return text.slice(0, at) + written + text.slice(at);
}
