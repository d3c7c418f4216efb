/** A chat template, and where an answer ends in what it writes. */
import { InputError } from '../../data/errors.ts';
import type { Text, Tool } from '../../data/records.ts';
import { DATE } from './fixed-date.ts';
import { JinjaTemplate, type Span } from './jinja/template.ts';
import { TemplateLimit } from './jinja/limits.ts';
import { reasonOf } from '../model-files/json-file.ts';
import { commonPrefixLength, commonSuffixLength } from './common-length.ts';
import { callsOf, normalizeMessages, textOf, type ContentFormat, type TemplateMessage } from './messages.ts';
import { checkArguments } from './template-arguments.ts';
import type { TemplateSource } from './template-files.ts';
import { TurnEnding, type TokenNames } from './turn-ending.ts';
import type { ChatTemplateSettings } from '../protocol/jobs.ts';

/** Templates with other arguments that are kept: data sets have few different ones, unless every row has its own. */
const KEPT = 64;

/** transformers' marker for the end of a message that is to be continued. */
const CONTINUE = 'CONTINUE_FINAL_MESSAGE_TAG ';

/** Contents that share no first and no last character: what their renderings have in common comes from the template. */
export const PROBES = ['alpha', 'omega!'] as const;

/** A tool, to test whether a template writes tools. */
const PROBE_TOOL: Tool = {
  type: 'function',
  function: { name: 'probe', description: 'probe', parameters: { type: 'object', properties: {}, required: [] } },
};

interface NamedTemplate {
  template: JinjaTemplate;
  /** Name and origin, for messages. */
  name: string;
}

/** A model's chat template, or one given in its place. Its methods throw an `InputError` if the template refuses the conversation. */
export class ChatTemplate {
  readonly ending: TurnEnding;
  private readonly templates: Map<string, NamedTemplate>;
  private readonly names: TokenNames;
  private readonly given: Record<string, unknown>;
  private readonly format: ContentFormat;
  private readonly withOthers = new Map<string, ChatTemplate>();
  private toolsWritten: boolean | undefined;

  /** @param given values of the template's variables */
  private constructor(templates: Map<string, NamedTemplate>, names: TokenNames, given: Record<string, unknown>) {
    checkArguments(given);
    this.templates = templates;
    this.names = names;
    this.given = given;
    this.format = this.contentFormat();
    const [one, other] = PROBES.map((content) => this.render(this.probe(content)).text);
    this.ending = new TurnEnding(one.slice(one.length - commonSuffixLength(one, other)), names);
  }

  /**
   * @param sources templates by name: `default`, and `tool_use` if there is one for prompts with tools
   * @throws InputError when a template cannot be parsed, or refuses a question with its answer
   */
  static open(
    folder: string,
    sources: Record<string, TemplateSource>,
    names: TokenNames,
    { template: given, toolTemplate, arguments: values = {} }: ChatTemplateSettings = {},
  ): ChatTemplate {
    const all = given === undefined ? sources : givenSources(folder, given, toolTemplate);
    const templates = Object.entries(all).map(([name, source]) => [name, parse(source)] as const);
    return new ChatTemplate(new Map(templates), names, values);
  }

  /** The template with a row's arguments, which replace those of the settings. What it writes around an answer may be different. */
  withArguments(given: Record<string, unknown> | undefined): ChatTemplate {
    if (given === undefined) return this;
    const key = JSON.stringify(given);
    const known = this.withOthers.get(key);
    if (known) return known;
    if (this.withOthers.size === KEPT) this.withOthers.clear();
    const other = new ChatTemplate(this.templates, this.names, { ...this.given, ...given });
    this.withOthers.set(key, other);
    return other;
  }

  /** Whether the template mentions a variable. */
  reads(variable: string, tools?: Tool[]): boolean {
    return this.templateFor(tools).template.mentions(variable);
  }

  /** Whether the template writes the tools of a prompt. */
  get writesTools(): boolean {
    return (this.toolsWritten ??= this.probeTools());
  }

  /**
   * A prompt up to where the answer begins.
   * @param continues whether an answer continues the last message of a prompt that is open. If not, it follows it
   */
  renderPrompt(prompt: Text, tools?: Tool[], continues = true): string {
    const messages = this.messages(prompt, 'user');
    if (continues && canContinue(messages.at(-1)!)) return this.renderOpen(messages, tools);
    return this.render(messages, tools, true).text;
  }

  /** Whether an answer can continue the last message of a prompt. */
  isOpen(prompt: Text): boolean {
    return canContinue(this.messages(prompt, 'user').at(-1)!);
  }

  /** Whether a response continues the last message of a prompt: only text does, not tool calls or reasoning. */
  continues(prompt: Text, response: Text): boolean {
    const [first] = this.messages(response, 'assistant');
    return this.isOpen(prompt) && canContinue(first) && !first['reasoning_content'];
  }

  /** Prompt and response as the template writes them. */
  renderExchange(prompt: Text, response: Text, tools?: Tool[]): string {
    return this.render(this.exchange(prompt, response), tools).text;
  }

  /** Prompt and response up to the token that ends the answer's turn. `continues` as in `exchange`. */
  renderClosed(prompt: Text, response: Text, tools?: Tool[], continues = true): string {
    const { text } = this.render(this.exchange(prompt, response, continues), tools);
    return this.ending.close(text, () => commonPrefixLength(text, this.renderPrompt(prompt, tools, continues)));
  }

  /** Prompt and response, for a response that was cut: nothing ends it. `continues` as in `exchange`. */
  renderUnfinished(prompt: Text, response: Text, tools?: Tool[], continues = true): string {
    const [answer, ...more] = this.messages(response, 'assistant');
    if (more.length > 0) return this.renderOpen(this.exchange(prompt, response, continues), tools);
    // It continues the prompt's own characters: the template might write the cut response differently.
    return this.renderPrompt(prompt, tools, continues) + textOf(answer);
  }

  /** @returns the text, and the turns that the template marks as the assistant's; none if it marks no turns */
  render(messages: TemplateMessage[], tools?: Tool[], addGenerationPrompt = false): { text: string; turns?: Span[] } {
    const { template, name } = this.templateFor(tools);
    try {
      const { text, turns } = template.render({
        documents: null,
        date_string: DATE,
        ...this.names.special,
        ...this.given,
        messages,
        tools: tools ?? null,
        add_generation_prompt: addGenerationPrompt,
      });
      return { text, ...(template.marksTurns && { turns }) };
    } catch (error) {
      if (error instanceof TemplateLimit) throw new InputError(`${name} ${error.message}.`, { cause: error });
      throw new InputError(`${name} refuses the conversation: ${reasonOf(error)}`);
    }
  }

  /** A text as messages in the template's format. @throws InputError for a part that is no text */
  messages(text: Text, role: string): TemplateMessage[] {
    return normalizeMessages(typeof text === 'string' ? [{ role, content: text }] : text, this.format);
  }

  /**
   * Prompt and response as one conversation.
   * @param continues whether the response continues the last message of the prompt if it can. If not, it follows it
   */
  exchange(prompt: Text, response: Text, continues = true): TemplateMessage[] {
    const [before, after] = [this.messages(prompt, 'user'), this.messages(response, 'assistant')];
    if (!continues || !this.continues(prompt, response)) return [...before, ...after];
    const [last, first] = [before.at(-1)!, after[0]];
    const joined = { ...first, ...last, content: extended(last.content, textOf(first)) };
    return [...before.slice(0, -1), joined, ...after.slice(1)];
  }

  /** Like transformers' `continue_final_message`. */
  private renderOpen(messages: TemplateMessage[], tools?: Tool[]): string {
    const last = messages.at(-1)!;
    const { text } = this.render(
      [...messages.slice(0, -1), { ...last, content: extended(last.content, CONTINUE) }],
      tools,
    );
    const at = text.lastIndexOf(CONTINUE.trimEnd());
    if (at < 0 || !text.includes(textOf(last).trim())) {
      throw new InputError(
        `${this.nameFor(tools)} does not write the assistant's message that is to be continued as it is: ` +
          'end the prompt with another message.',
      );
    }
    const open = text.slice(0, at);
    return text.startsWith(CONTINUE, at) ? open : open.trimEnd();
  }

  /** The name of the template for these tools, for messages: `the chat template of FILE`. */
  nameFor(tools?: Tool[]): string {
    return this.templateFor(tools).name;
  }

  private templateFor(tools?: Tool[]): NamedTemplate {
    return (tools && this.templates.get('tool_use')) ?? this.templates.get('default')!;
  }

  private probeTools(): boolean {
    const messages = this.messages('probe', 'user');
    const [given, none] = [[PROBE_TOOL], undefined].map((tools) =>
      renderedOrNone(() => this.render(messages, tools, true).text),
    );
    // A template that refuses the probe may write tools: without knowing, there is no warning.
    return given === undefined || given !== none;
  }

  private probe(content: string): TemplateMessage[] {
    return normalizeMessages(
      [
        { role: 'user', content: 'probe' },
        { role: 'assistant', content },
      ],
      this.format,
    );
  }

  /** Whether the template iterates over the parts of a content. vLLM reads it off the template; here it is seen from the output. */
  private contentFormat(): ContentFormat {
    const [string, parts] = (['string', 'parts'] as const).map((format) => {
      const messages = [
        { role: 'user', content: PROBES[0] },
        { role: 'assistant', content: PROBES[1] },
      ];
      try {
        const { text } = this.render(normalizeMessages(messages, format));
        return PROBES.every((content) => text.includes(content)) ? text : undefined;
      } catch (error) {
        if ((error as Error).cause instanceof TemplateLimit) throw error;
        return undefined;
      }
    });
    if (parts === undefined) return 'string';
    if (string === undefined) return 'parts';
    return string === parts ? 'any' : 'string';
  }
}

/** A text, or undefined if the template refuses it. Some templates refuse a conversation that does not end with a question. */
export function renderedOrNone(render: () => string): string | undefined {
  try {
    return render();
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

const givenSources = (folder: string, template: string, toolTemplate?: string): Record<string, TemplateSource> => {
  const origin = `given for ${folder}`;
  return {
    default: { source: template, origin },
    ...(toolTemplate !== undefined && { tool_use: { source: toolTemplate, origin } }),
  };
};

function parse({ source, origin }: TemplateSource): NamedTemplate {
  const name = `the chat template ${origin}`;
  try {
    return { template: new JinjaTemplate(source), name };
  } catch (error) {
    throw new InputError(`${name} is no Jinja template that can be read: ${reasonOf(error)}`);
  }
}

/** Whether text can continue a message: one of the assistant that calls no tool. */
const canContinue = (message: TemplateMessage): boolean =>
  message.role === 'assistant' && callsOf(message).length === 0;

/** A content with a text appended. */
function extended(content: TemplateMessage['content'], text: string): TemplateMessage['content'] {
  if (content === undefined || typeof content === 'string') return (content ?? '') + text;
  const last = content.at(-1);
  return last ? [...content.slice(0, -1), { ...last, text: last.text + text }] : [{ type: 'text', text }];
}
