/** Text to tokens and back: tokenizer.json and the chat template, as transformers has them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Template } from '@huggingface/jinja';
import { Tokenizer } from '@huggingface/tokenizers';
import { InputError } from '../../data/errors.ts';
import type { DemonstrationRecord, Message, Text } from '../../data/records.ts';
import { readModelConfig } from './config.ts';
import { vocabularyCheck } from './vocabulary.ts';

export interface ModelTokenizer {
  /** Tokens that end an answer: the template's end-of-turn token, the tokenizer's EOS, and those the model's configuration names. */
  eosIds: number[];
  /** A prompt up to where the answer begins: the template's header of the answer included, BOS once. */
  encodePrompt(prompt: Text): number[];
  /** A text as it is, without a template, with what the tokenizer puts before a text (BOS). */
  encodeText(text: string): number[];
  /** What the policy is to write after the prompt, ending with exactly one end-of-turn (or EOS) token. */
  encodeResponse(prompt: Text, response: Text): number[];
  encodeDemonstration(row: DemonstrationRecord): { prompt: number[]; completion: number[] };
  /** The text without special tokens. */
  decode(ids: number[]): string;
}

/** A template that asks for the date gets this one: a prompt's tokens are the same on every day. */
const DATE = '26 Jul 2024';

/** A folder's tokenizer and what its files say of how to use it. */
export interface TokenizerFiles {
  tokenizer: Tokenizer;
  /** `bos_token`, `eos_token` and their like. */
  special: Record<string, string>;
  chat?: ChatTemplate;
  /** tokenizer_config.json. */
  config: Record<string, unknown>;
}

/** @throws InputError when a file is missing or damaged */
export function openTokenizer(folder: string): TokenizerFiles {
  const config = readJson(folder, 'tokenizer_config.json') ?? {};
  const json = readJson(folder, 'tokenizer.json');
  if (!json) {
    throw new InputError(
      `${folder} has no tokenizer.json: texts cannot be tokenized; download it, or give tokenized rows.`,
    );
  }
  const tokenizer = new Tokenizer(json, config);
  const special = specialTokens(folder, config);
  const source = readTemplate(folder, config);
  const chat = source === undefined ? undefined : new ChatTemplate(folder, source, special, tokenizer);
  return { tokenizer, special, config, ...(chat && { chat }) };
}

/** @throws InputError when a file is missing or damaged */
export function loadTokenizer(folder: string): ModelTokenizer {
  const { tokenizer, special, chat } = openTokenizer(folder);
  const { eosIds: configured, vocabSize } = readModelConfig(folder);
  const known = vocabularyCheck(folder, tokenizer, vocabSize);
  const encode = (text: string) => known(tokenizer.encode(text, { add_special_tokens: false }).ids);
  const idOf = (token: string | undefined) => (token === undefined ? undefined : tokenizer.token_to_id(token));
  const eos = chat?.endOfTurn ?? special['eos_token'];
  const ending = [idOf(chat?.endOfTurn), idOf(special['eos_token']), ...configured];
  const eosIds = [...new Set(ending.filter((id) => id !== undefined))];

  const plainText = (text: Text, what: string): string => {
    if (typeof text === 'string') return text;
    throw new InputError(`the ${what} is a conversation, but ${folder} has no chat template: give a string.`);
  };

  const encodeText = (text: string) => {
    const ids = known(tokenizer.encode(text).ids);
    // Some tokenizers close what they encode; a prompt stays open.
    return ids.length > 1 && ids.at(-1) === idOf(special['eos_token']) ? ids.slice(0, -1) : ids;
  };

  const encodePrompt = (prompt: Text) =>
    chat ? encode(chat.renderPrompt(prompt)) : encodeText(plainText(prompt, 'prompt'));

  const encodeResponse = (prompt: Text, response: Text) => {
    if (chat) return encode(chat.renderResponse(prompt, response));
    if (eos === undefined)
      throw new InputError(`${folder} names no eos_token in tokenizer_config.json: a response cannot end.`);
    return encode(plainText(response, 'response') + eos);
  };

  return {
    eosIds,
    encodeText,
    encodePrompt,
    encodeResponse,
    encodeDemonstration(row) {
      const { prompt, completion } =
        'messages' in row
          ? { prompt: (row.messages as Message[]).slice(0, -1), completion: (row.messages as Message[]).slice(-1) }
          : (row as { prompt: Text; completion: Text });
      return { prompt: encodePrompt(prompt), completion: encodeResponse(prompt, completion) };
    },
    decode: (ids) => tokenizer.decode(ids, { skip_special_tokens: true }),
  };
}

/** A chat template, and what it writes at the end of an answer. */
class ChatTemplate {
  readonly endOfTurn: string | undefined;
  private readonly folder: string;
  private readonly template: Template;
  private readonly special: Record<string, string>;
  /** What stands between an answer's last character and the end of its end-of-turn token, and what comes after it. */
  private readonly ending: { turn: string; after: string };

  constructor(folder: string, source: string, special: Record<string, string>, tokenizer: Tokenizer) {
    this.folder = folder;
    this.special = special;
    const fixedDate = source.includes('strftime_now') ? '{%- set strftime_now = fixed_date -%}' : '';
    this.template = new Template(fixedDate + source);
    const probe = 'probe';
    const rendered = this.render([{ role: 'user', content: probe }, { role: 'assistant', content: probe }], false); // prettier-ignore
    const tail = rendered.slice(rendered.lastIndexOf(probe) + probe.length);
    const tokens = [...tokenizer.get_added_tokens_decoder().values()].filter(({ special, content }) => special && tail.includes(content)); // prettier-ignore
    const first = tokens.sort((a, b) => tail.indexOf(a.content) - tail.indexOf(b.content))[0];
    // A template that leaves the end to the caller: the tokenizer's EOS closes the turn.
    this.endOfTurn = first?.content ?? special['eos_token'];
    const cut = first ? tail.indexOf(first.content) + first.content.length : 0;
    this.ending = first
      ? { turn: tail.slice(0, cut), after: tail.slice(cut) }
      : { turn: this.endOfTurn ?? '', after: tail };
  }

  renderPrompt(prompt: Text): string {
    return this.render(asMessages(prompt, 'user'), true);
  }

  /** The whole exchange, as a model that judges it reads it. */
  renderExchange(prompt: Text, response: Text): string {
    return this.render([...asMessages(prompt, 'user'), ...asMessages(response, 'assistant')], false);
  }

  /** What the template writes after the prompt, up to the end-of-turn token. */
  renderResponse(prompt: Text, response: Text): string {
    const turns = asMessages(response, 'assistant');
    const open = this.renderPrompt(prompt);
    const whole = this.render([...asMessages(prompt, 'user'), ...turns], false);
    const { turn, after } = this.ending;
    // A template may open an answer otherwise than it records one (an empty thought, say): then the answer alone follows.
    if (!whole.startsWith(open)) return turns.map(({ content }) => content).join('') + turn;
    const written = whole.slice(open.length, whole.length - after.length);
    return written.endsWith(turn) ? written : written + turn;
  }

  private render(messages: Message[], addGenerationPrompt: boolean): string {
    try {
      return this.template.render({
        ...this.special,
        messages,
        add_generation_prompt: addGenerationPrompt,
        date_string: DATE,
        fixed_date: () => DATE,
      });
    } catch (error) {
      throw new InputError(`the chat template of ${this.folder} refuses the conversation: ${(error as Error).message}`);
    }
  }
}

const asMessages = (text: Text, role: string): Message[] =>
  typeof text === 'string' ? [{ role, content: text }] : text;

function readJson(folder: string, name: string): Record<string, unknown> | undefined {
  const file = join(folder, name);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    throw new InputError(`${file} is not JSON (${(error as Error).message}): download it again.`);
  }
}

/** `bos_token`, `eos_token` and their like, from where older and newer folders keep them. */
function specialTokens(folder: string, config: Record<string, unknown>): Record<string, string> {
  const all = { ...readJson(folder, 'special_tokens_map.json'), ...config };
  const entries = Object.entries(all).flatMap(([key, value]) => {
    const text = typeof value === 'object' ? (value as { content?: string } | null)?.content : value;
    return key.endsWith('_token') && typeof text === 'string' ? [[key, text]] : [];
  });
  return Object.fromEntries(entries) as Record<string, string>;
}

/** The chat template: a file of its own, or a field that holds it or several by name. */
function readTemplate(folder: string, config: Record<string, unknown>): string | undefined {
  const file = join(folder, 'chat_template.jinja');
  if (existsSync(file)) return readFileSync(file, 'utf8');
  const template = config['chat_template'] ?? readJson(folder, 'chat_template.json')?.['chat_template'];
  if (!Array.isArray(template)) return template as string | undefined;
  const named = template as { name: string; template: string }[];
  return (named.find(({ name }) => name === 'default') ?? named[0])?.template;
}
