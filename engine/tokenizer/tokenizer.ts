/** Text to tokens and back, by tokenizer.json and the chat template, as in transformers. */
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import { hasNestedPattern } from '../../data/patterns.ts';
import type { Message, Text } from '../../data/records.ts';
import type { TemplateInputs } from '../../data/template-inputs.ts';
import { assistantTurns } from './assistant-turns.ts';
import { ChatTemplate } from './chat-template.ts';
import { commonPrefixLength } from './common-length.ts';
import { readModelConfig } from '../model-files/config.ts';
import { Tokenizer } from './exact-tokenizer.ts';
import { findJson, reasonOf } from '../model-files/json-file.ts';
import { checkAdapterTokens, configuredTokens } from './special-tokens.ts';
import { readTemplates } from './template-files.ts';
import { checkResponse, ignoredBy, type Ignored } from './unwritten.ts';
import { vocabularyCheck } from './vocabulary.ts';
import type { ChatTemplateSettings } from '../protocol/jobs.ts';

/** A prompt with responses to it, as tokens of one text each. */
interface EncodedExchange {
  prompt: number[];
  responses: number[][];
  /** Whether `prompt` has the tokens of the prompt alone. If not, the responses begin where the two tokenizations differ, as in TRL. */
  isPrefix: boolean;
}

/** A model's tokenizer with its chat template. All methods throw an `InputError` for a text that the template refuses. */
export interface ModelTokenizer {
  /** Tokens that end an answer: the template's end-of-turn token, the tokenizer's EOS, and those of the model's configuration. */
  eosIds: number[];
  /**
   * A prompt up to where the answer begins: with the template's header of the answer, and one BOS.
   * @param most more tokens are an error, found before all of a long text is encoded, which may take seconds
   */
  encodePrompt(prompt: Text, inputs?: TemplateInputs, most?: number): number[];
  /** A text without the template, with what the tokenizer puts before a text (BOS). `most` as above. */
  encodeText(text: string, most?: number): number[];
  /**
   * Encodes the prompt together with each response, as transformers does, and splits them as TRL's DPOTrainer does: where the prompt's own
   * tokens end, or where they first differ from those of prompt and response. A response ends with exactly one end-of-turn token.
   * @param options `open`: the responses were cut, and nothing ends them
   */
  encodeExchange(prompt: Text, responses: Text[], options?: TemplateInputs & { open?: boolean }): EncodedExchange;
  /**
   * A conversation up to the end of its last assistant turn, and for each token whether it is the assistant's.
   * @param options `after`: the prompt that the messages respond to
   */
  encodeConversation(
    messages: Message[],
    options?: TemplateInputs & { after?: Text },
  ): { ids: number[]; trained: boolean[] };
  /** What the chat template ignores of a prompt with its responses. @throws InputError when it writes nothing of a response */
  ignored(prompt: Text, responses: Text[], inputs: TemplateInputs): Ignored[];
  /** The text without special tokens. No spaces are cleaned up. */
  decode(ids: number[]): string;
  /**
   * The text of an answer after its prompt, as in vLLM: a space at the beginning of the first token is kept if text precedes it. The token
   * that ends the answer is left out, special or not.
   */
  decodeAnswer(prompt: number[], ids: number[]): string;
  /** The text that the chat template ends an answer with, which decodeAnswer() leaves out; empty if a token ends it. */
  endText: string;
  /** The bytes of a token in the middle of a text, which may be a part of a character. A special token's bytes are its name. */
  tokenBytes(id: number): Uint8Array;
  /** Whether a token is one byte of a character that the vocabulary lacks: what it decodes to depends on the bytes after it. */
  isByteFallback(id: number): boolean;
}

/** A folder's tokenizer, and what its files say about its use. */
export interface TokenizerFiles {
  tokenizer: Tokenizer;
  /** `bos_token`, `eos_token` and so on. */
  special: Record<string, string>;
  chat?: ChatTemplate;
  /** tokenizer_config.json. */
  config: Record<string, unknown>;
}

/**
 * Opens a folder's tokenizer and chat template.
 * @param settings replace the folder's chat template, or are arguments to it
 * @param eosIds of the model's configuration
 * @throws InputError when a file is missing, damaged or unsupported
 */
export function openTokenizer(folder: string, settings?: ChatTemplateSettings, eosIds: number[] = []): TokenizerFiles {
  const config = findJson(join(folder, 'tokenizer_config.json')) ?? {};
  const file = join(folder, 'tokenizer.json');
  const json = findJson(file);
  if (!json) {
    throw new InputError(
      `${folder} has no tokenizer.json: texts cannot be tokenized; download it, or give tokenized rows.`,
    );
  }
  const { tokenizer, special } = openExactly({ folder, file, json, config });
  const sources = readTemplates(folder, config);
  const stops = [special['eos_token'], ...eosIds.map((id) => tokenizer.idToToken(id))];
  const names = {
    special,
    added: tokenizer.addedTokens,
    stops: stops.filter((token) => token !== undefined),
  };
  if (!sources && settings?.template === undefined && settings?.arguments) {
    throw new InputError(
      `${folder} has no chat template that takes the arguments: give a template, or leave them out.`,
    );
  }
  const chat =
    sources || settings?.template !== undefined ? ChatTemplate.open(folder, sources ?? {}, names, settings) : undefined;
  return { tokenizer, special, config, ...(chat && { chat }) };
}

interface TokenizerJson {
  folder: string;
  file: string;
  json: Record<string, unknown>;
  config: Record<string, unknown>;
}

/** The tokenizer of tokenizer.json, with the tokens that the other files of the folder add. */
function openExactly(files: TokenizerJson): Pick<TokenizerFiles, 'tokenizer' | 'special'> {
  const { file, json } = files;
  /** Any error, also one in encoding a text, comes from the file. */
  const checked = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw new InputError(
        `${file} is damaged, or of a kind that is not supported (${reasonOf(error)}): ` +
          'download it again, or save the tokenizer with transformers.',
      );
    }
  };
  const { normalizer, pre_tokenizer, decoder } = json;
  const tokenizer = checked(() => {
    if (hasNestedPattern([normalizer, pre_tokenizer, decoder]))
      throw new Error('its patterns have too many groups in groups');
    return new Tokenizer(json);
  });
  const { tokens, names } = configuredTokens(files);
  checked(() => tokenizer.add(tokens));
  const [encode, decode] = [tokenizer.encode.bind(tokenizer), tokenizer.decode.bind(tokenizer)];
  tokenizer.encode = (...args) => checked(() => encode(...args));
  tokenizer.decode = (ids) => checked(() => decode(ids));
  return { tokenizer, special: names };
}

/**
 * The tokenizer of a model folder.
 * @param settings replace the folder's chat template, or are arguments to it
 * @param adapter the folder of an adapter of the model, whose tokenizer must have no other tokens
 * @throws InputError when a file is missing, damaged or unsupported
 */
export function loadTokenizer(folder: string, settings?: ChatTemplateSettings, adapter?: string): ModelTokenizer {
  const { eosIds: configured, vocabSize } = readModelConfig(folder);
  const { tokenizer, special, chat } = openTokenizer(folder, settings, configured);
  if (adapter !== undefined) checkAdapterTokens(adapter, (token) => tokenizer.tokenToId(token));
  const known = vocabularyCheck(folder, tokenizer, vocabSize);
  const encode = (text: string) => known(tokenizer.encode(text, { addSpecialTokens: false }).ids);
  const idOf = (token: string | undefined) => (token === undefined ? undefined : tokenizer.tokenToId(token));
  const eos = special['eos_token'];
  const ending = [idOf(chat?.ending.token), idOf(eos), ...configured];
  const eosIds = [...new Set(ending.filter((id) => id !== undefined))];
  const decode = (ids: number[]) => tokenizer.decode(ids);

  const chatOf = (inputs?: TemplateInputs) => chat?.withArguments(inputs?.arguments);
  const withTemplate = (what: string, inputs?: TemplateInputs): ChatTemplate => {
    const found = chatOf(inputs);
    if (found) return found;
    throw new InputError(
      `the ${what} is a conversation, but ${folder} has no chat template: give a string, or a template (chatTemplate).`,
    );
  };
  const plainText = (text: Text, what: string) => (typeof text === 'string' ? text : (withTemplate(what), ''));

  // Some tokenizers append EOS to a text; a prompt must not end with it.
  const isClosing = eos !== undefined && tokenizer.encode('probe').ids.at(-1) === idOf(eos);
  const encodeWhole = (text: string) => known(tokenizer.encode(text).ids.slice(0, isClosing ? -1 : undefined));
  const encodeText = (text: string, most?: number) => encodeAtMost(encodeWhole, text, most);

  /** Without a template, as in TRL: the concatenated texts, with EOS appended unless they end with it. */
  const encodeJoined = (prompt: string, response: string, open: boolean) => {
    if (open) return encodeText(prompt + response);
    if (eos === undefined) {
      throw new InputError(`${folder} names no eos_token in tokenizer_config.json: a response cannot end.`);
    }
    return encodeText(prompt + response + (response.endsWith(eos) ? '' : eos));
  };

  const encodePrompt = (prompt: Text, inputs?: TemplateInputs, most?: number) => {
    const template = chatOf(inputs);
    if (!template) return encodeText(plainText(prompt, 'prompt'), most);
    return encodeAtMost(encode, template.renderPrompt(prompt, inputs?.tools, inputs?.continueFinalMessage), most);
  };

  return {
    eosIds,
    encodeText,
    encodePrompt,
    encodeExchange(prompt, responses, { open = false, ...inputs } = {}) {
      const template = chatOf(inputs);
      const { tools, continueFinalMessage = true } = inputs;
      const isOpen = continueFinalMessage && (template?.isOpen(prompt) ?? false);
      // All responses of a row follow the same prompt.
      const continues = isOpen && responses.every((response) => template!.continues(prompt, response));
      const alone = encodePrompt(prompt, { ...inputs, continueFinalMessage: continues });
      const exchanges = responses.map((response) => {
        if (!template) return encodeJoined(plainText(prompt, 'prompt'), plainText(response, 'response'), open);
        if (open) return encode(template.renderUnfinished(prompt, response, tools, continues));
        checkResponse(template, prompt, response, tools);
        return encode(template.renderClosed(prompt, response, tools, continues));
      });
      const shared = sharedTokens(alone, exchanges);
      return {
        prompt: exchanges.length > 0 ? exchanges[0].slice(0, shared) : alone,
        responses: exchanges.map((exchange) => exchange.slice(shared)),
        isPrefix: shared === alone.length && isOpen === continues,
      };
    },
    encodeConversation(messages, { after, ...inputs } = {}) {
      const template = withTemplate('demonstration', inputs);
      const conversation =
        after === undefined
          ? template.messages(messages, 'user')
          : template.exchange(after, messages, inputs.continueFinalMessage);
      const { text, turns } = assistantTurns(template, conversation, inputs.tools);
      const ids = encode(text);
      const trained = ids.map(() => false);
      for (const [start, end] of turns) {
        const upTo = start === 0 ? 0 : commonPrefixLength(ids, encode(text.slice(0, start)));
        trained.fill(true, upTo, end === text.length ? ids.length : endOf(ids, encode(text.slice(0, end))));
      }
      return { ids, trained };
    },
    ignored: (prompt, responses, inputs) => ignoredBy(chatOf(inputs), prompt, responses, inputs),
    decode,
    endText: chat?.ending.endText ?? '',
    tokenBytes: (id) => tokenizer.tokenBytes(id),
    isByteFallback: (id) => tokenizer.isByteFallback(id),
    decodeAnswer(prompt, ids) {
      const answer = eosIds.includes(ids.at(-1)!) ? ids.slice(0, -1) : ids;
      const [before, all] = [decode(prompt), decode([...prompt, ...answer])];
      const text = all.startsWith(before) ? all.slice(before.length) : decode(answer);
      return chat && answer.length < ids.length ? chat.ending.withoutEnd(text) : text;
    },
  };
}

/** Characters of the first part of a text. */
const FIRST_PART = 2 ** 13;
/** The last tokens of a part may merge with what follows. */
const JOINED = 16;

/** @throws InputError as soon as a part of the text has more than `most` tokens */
function encodeAtMost(encode: (text: string) => number[], text: string, most?: number): number[] {
  if (most === undefined) return encode(text);
  for (let length = FIRST_PART; length < text.length; length *= 2) {
    if (encode(text.slice(0, length)).length > most + JOINED)
      throw new InputError(`a text of more than ${most} tokens is longer than the model's context: shorten it.`);
  }
  return encode(text);
}

/** Number of the prompt's tokens that every exchange begins with. At least one: a sequence's first token cannot be predicted. */
function sharedTokens(prompt: number[], exchanges: number[][]): number {
  const shared = Math.min(prompt.length, ...exchanges.map((exchange) => commonPrefixLength(prompt, exchange)));
  if (shared > 0) return shared;
  const [first] = exchanges[0];
  if (exchanges.every((exchange) => exchange.length > 1 && exchange[0] === first)) return 1;
  throw new InputError('its prompt and response share their first token: end the prompt with a space or a new line.');
}

/** Number of tokens of the whole text that its beginning covers, including a token that crosses its end. */
function endOf(ids: number[], beginning: number[]): number {
  const shared = commonPrefixLength(ids, beginning);
  return shared === beginning.length ? shared : shared + 1;
}
