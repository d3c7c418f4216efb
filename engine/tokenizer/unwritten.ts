/**
 * Finds what a chat template leaves out of what it is given. Many templates write neither tool calls nor reasoning, and most of those that
 * do leave reasoning out of earlier turns. Nothing in the text that they write shows it.
 */
import { InputError } from '../../data/errors.ts';
import type { Text, Tool } from '../../data/records.ts';
import type { TemplateInputs } from '../../data/template-inputs.ts';
import { renderedOrNone, type ChatTemplate } from './chat-template.ts';
import { callsOf, REASONING, textOf, withCalls, withText, type TemplateMessage } from './messages.ts';

/** What a template may ignore of a row. `ignoredContent` is the text of a message with tool calls or reasoning. */
const IGNORED = ['ignoredTools', 'ignoredArguments', 'ignoredCalls', 'ignoredReasoning', 'ignoredContent'] as const;
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
  isWhole: boolean;
}

/**
 * The messages with tool calls or reasoning that are not written as a whole: they are rendered with marks in their place. Empty if the
 * template refuses the marks: without knowing, there is no warning.
 */
function unwrittenIn(chat: ChatTemplate, messages: TemplateMessage[], tools?: Tool[]): Unwritten[] {
  const marked = messages.map(mark);
  if (marked.every(({ marks }) => marks.length === 0)) return [];
  const isOpen = messages.at(-1)!.role !== 'assistant';
  const rendered = marked.map(({ message }) => message);
  const text = renderedOrNone(() => chat.render(rendered, tools, isOpen).text);
  if (text === undefined) return [];
  return marked.flatMap(({ marks }, index) => {
    const left = marks.filter(({ written }) => !text.includes(written));
    if (left.length === 0) return [];
    return [{ index, parts: left.map(({ part }) => part), isWhole: left.length === marks.length }];
  });
}

interface Marked {
  message: TemplateMessage;
  marks: { part: Ignored; written: string }[];
}

/** The message with marks as its text, its reasoning and its tool calls; unchanged if it has only a text. */
function mark(message: TemplateMessage, index: number): Marked {
  const markOf = (part: string) => `probe${index}${part}`;
  const calls = callsOf(message).map((_, i) => ({ part: 'ignoredCalls' as const, written: markOf(`call${i}x`) }));
  const reasoning = REASONING.filter((key) => typeof message[key] === 'string' && message[key].trim() !== '');
  if (message.role !== 'assistant' || calls.length + reasoning.length === 0) return { message, marks: [] };
  const [thought, content] = [markOf('thought'), markOf('text')];
  const hasText = textOf(message).trim() !== '';
  const named = withCalls(message, (i) => calls[i].written);
  return {
    message: {
      ...(hasText ? withText(named, content) : named),
      ...Object.fromEntries(reasoning.map((key) => [key, thought])),
    },
    marks: [
      ...calls,
      ...(reasoning.length > 0 ? [{ part: 'ignoredReasoning' as const, written: thought }] : []),
      ...(hasText ? [{ part: 'ignoredContent' as const, written: content }] : []),
    ],
  };
}
