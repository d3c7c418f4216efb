/** Prompts and responses as HTML, as texts or as conversations. */
import { asConversation, messageText } from '../../data/conversation.ts';
import { toJson } from '../../data/exact-json.ts';
import type { Message, Text, Tool } from '../../data/records.ts';
import { toolsOf } from '../../data/tools.ts';
import { html, type Html } from '../../report/html.ts';
import { renderMarkdown } from './markdown.ts';

/** The headings around a text are h1 and h2. */
const TOP_HEADING = 3;

type Format = 'formatted' | 'raw';

/** A prompt: its messages with their roles, and the tools that the model may call. */
export function promptHtml(prompt: Text, tools: Tool[] | string | null | undefined, format: Format): Html {
  const messages = asConversation(prompt, 'user');
  const callable = toolsOf({ tools }) ?? [];
  return html`<ol class="messages">
      ${messages.map((message) => messageHtml(message, format))}
    </ol>
    ${
      callable.length > 0 &&
      html`<details>
        <summary>Tools that the model may call: ${callable.map(toolName).join(', ')}</summary>
        ${rawHtml(toJson(callable, 2))}
      </details>`
    }`;
}

/** A response. One with several messages (tool calls and their results) is shown as a conversation. */
export function responseHtml(response: Text, format: Format): Html {
  const messages = asConversation(response, 'assistant');
  if (messages.length === 1 && messages[0].tool_calls == null) return textHtml(messageText(messages[0]), format);
  return html`<ol class="messages">
    ${messages.map((message) => messageHtml(message, format))}
  </ol>`;
}

/** The text of a response that is compared word by word, with what `responseHtml` shows besides the contents. */
export function comparedText(response: Text): string {
  const messages = asConversation(response, 'assistant');
  return messages.map((message) => [messageText(message), callsOf(message)].filter(Boolean).join('\n')).join('\n\n');
}

function messageHtml(message: Message, format: Format): Html {
  const { role } = message;
  const [text, calls] = [messageText(message), callsOf(message)];
  // A tool's result is data.
  const shown = textHtml(text, role === 'tool' ? 'raw' : format);
  return html`<li>
    <span class="role">${role}</span>
    ${(text !== '' || calls === undefined) && shown} ${calls !== undefined && rawHtml(calls)}
  </li>`;
}

function textHtml(text: string, format: Format): Html {
  if (text === '') return html`<p class="note">(empty)</p>`;
  if (text.trim() === '') return html`<p class="note">(only white space: ${text.length} characters)</p>`;
  if (format === 'raw') return rawHtml(text);
  return html`<div class="text" dir="auto">${renderMarkdown(text, TOP_HEADING)}</div>`;
}

/**
 * Text as it is. Browsers ignore a line break at the beginning of an element pre, so one is put before the text's own.
 */
export const rawHtml = (content: Html | string | Html[]): Html => html`<pre dir="auto">${'\n'}${content}</pre>`;

const callsOf = ({ tool_calls: calls }: Message) =>
  calls === undefined || calls === null ? undefined : `tool calls: ${toJson(calls, 2)}`;

const toolName = (tool: Tool) =>
  String((tool['function'] as { name?: unknown } | undefined)?.name ?? tool['name'] ?? 'unnamed');
