/**
 * Patches @huggingface/tokenizers where it differs from the tokenizers library that transformers uses; a comment explains each case.
 * Tested against transformers (test/engine/tokenizer/tokenizer-kinds.test.ts).
 */
import { Tokenizer } from '@huggingface/tokenizers';
import { correctAddedTokens } from './added-tokens.ts';

/** Parts of a tokenizer that contain other parts. */
interface Part {
  decoders?: Part[];
  tokenizers?: Part[];
  config?: Record<string, unknown>;
  pattern?: RegExp;
  decode_chain?: (tokens: string[]) => string[];
  pre_tokenize_text?: (text: string, options?: { section_index?: number }) => string[];
}

/** @param json content of tokenizer.json @param config content of tokenizer_config.json */
export function exactTokenizer(json: object, config: object): Tokenizer {
  const tokenizer = new Tokenizer(json, config);
  const { decoder, pre_tokenizer: preTokenizer } = json as Record<'decoder' | 'pre_tokenizer', Settings | null>;
  if (decoder) correctDecoder(tokenizer.decoder as unknown as Part, decoder);
  if (preTokenizer) correctPreTokenizer(tokenizer.pre_tokenizer as unknown as Part, preTokenizer);
  correctAddedTokens(tokenizer);
  return tokenizer;
}

/**
 * The text of tokens, like transformers' `decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)`. The library's own
 * decode() cleans up spaces by default, and writes the unknown token for unknown ids.
 * @param special ids that are left out
 */
export function decodeExactly(tokenizer: Tokenizer, ids: number[], special: Set<number>): string {
  const tokens = ids.flatMap((id) => (special.has(id) ? [] : (tokenizer.id_to_token(id) ?? [])));
  return tokenizer.decoder ? tokenizer.decoder.decode(tokens) : tokens.join(' ');
}

/** Precedes a token that is decoded alone: the first token of a text loses its space. */
const BEFORE = 'a';

/**
 * The bytes of a token in the middle of a text, which may be a part of a character.
 * @param special ids whose bytes are their names
 */
export function tokenBytes(tokenizer: Tokenizer, id: number, special: Set<number>): Uint8Array {
  const token = tokenizer.id_to_token(id) ?? '';
  if (special.has(id) || !tokenizer.decoder) return utf8.encode(token);
  const byte = BYTE_TOKEN.exec(token)?.[1];
  if (byte !== undefined && hasDecoder(tokenizer, 'ByteFallback')) return Uint8Array.of(Number.parseInt(byte, 16));
  if (hasDecoder(tokenizer, 'ByteLevel')) return Uint8Array.from(bytesOf(token));
  return utf8.encode(tokenizer.decoder.decode([BEFORE, token]).slice(BEFORE.length));
}

/** Whether a token is one byte of a character that the vocabulary lacks, as in `<0xE2>`. */
export const isByteFallback = (tokenizer: Tokenizer, id: number): boolean =>
  hasDecoder(tokenizer, 'ByteFallback') && BYTE_TOKEN.test(tokenizer.id_to_token(id) ?? '');

function hasDecoder(tokenizer: Tokenizer, type: string): boolean {
  const isIn = ({ config, decoders = [] }: Part): boolean => config?.['type'] === type || decoders.some(isIn);
  return tokenizer.decoder !== null && isIn(tokenizer.decoder as unknown as Part);
}

interface Settings {
  type: string;
  decoders?: Settings[];
  pretokenizers?: Settings[];
  [setting: string]: unknown;
}

function correctDecoder(part: Part, settings: Settings): void {
  for (const [i, inner] of (settings.decoders ?? []).entries()) correctDecoder(part.decoders![i], inner);
  if (settings.type === 'ByteFallback') part.decode_chain = byteFallback;
  if (settings.type === 'ByteLevel') part.decode_chain = byteLevel;
  if (settings.type === 'Metaspace') part.decode_chain = (tokens) => metaspace(tokens, settings);
}

function correctPreTokenizer(part: Part, settings: Settings): void {
  for (const [i, inner] of (settings.pretokenizers ?? []).entries()) correctPreTokenizer(part.tokenizers![i], inner);
  if (settings.type === 'Digits') {
    // Every Unicode number is a digit (², ½, Ⅷ); in the library only 0 to 9 are.
    part.pattern = new RegExp(`\\P{N}+|\\p{N}${settings['individual_digits'] === true ? '' : '+'}`, 'gu');
  }
  if (settings.type === 'ByteLevel') {
    // JavaScript's \s includes U+FEFF, which is no white space in Unicode, and lacks U+0085, which is.
    part.pattern =
      /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
  }
  if (settings.type === 'Metaspace' && settings['split'] !== false) {
    // Every word is encoded separately; the library joins them.
    const { pre_tokenize_text: preTokenize } = part;
    const mark = settings['replacement'] as string;
    const words = new RegExp(`${mark}?[^${mark}]+|${mark}`, 'gu');
    part.pre_tokenize_text = (text, options) =>
      preTokenize!.call(part, text, options).flatMap((run) => run.match(words) ?? []);
  }
}

const BYTE_TOKEN = /^<0x([\dA-F]{2})>$/i;
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder('utf-8', { ignoreBOM: true });

/** A run of bytes that is no UTF-8 becomes one replacement character per byte; the library decodes parts of it, and drops a BOM. */
function byteFallback(tokens: string[]): string[] {
  const texts: string[] = [];
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length > 0) texts.push(...runOf(bytes));
    bytes = [];
  };
  for (const token of tokens) {
    const byte = BYTE_TOKEN.exec(token)?.[1];
    if (byte !== undefined) bytes.push(Number.parseInt(byte, 16));
    else {
      flush();
      texts.push(token);
    }
  }
  flush();
  return texts;
}

function runOf(bytes: number[]): string[] {
  try {
    return [strict.decode(Uint8Array.from(bytes))];
  } catch {
    return bytes.map(() => '\ufffd');
  }
}

/** The characters that encode bytes: printable ones of Latin-1 encode themselves, the others follow from U+0100 on. */
const BYTE_OF = new Map<string, number>();
for (let byte = 0, next = 0x100; byte < 0x100; byte++) {
  const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  BYTE_OF.set(String.fromCodePoint(isPrintable ? byte : next++), byte);
}

const utf8 = new TextEncoder();

/** Decodes the bytes of all tokens together. A token with a character that encodes no byte is text, whether it was added or not. */
function byteLevel(tokens: string[]): string[] {
  return [lossy.decode(Uint8Array.from(tokens.flatMap(bytesOf)))];
}

function bytesOf(token: string): number[] {
  const own = [...token].map((character) => BYTE_OF.get(character));
  return own.every((byte) => byte !== undefined) ? own : [...utf8.encode(token)];
}

/** All spaces at the beginning of the first token are dropped, not just one; none if no space is prepended. */
function metaspace(tokens: string[], { replacement, prepend_scheme: scheme }: Settings): string[] {
  const first = scheme === 'never' ? ' ' : '';
  return tokens.map((token, i) => token.replaceAll(replacement as string, i === 0 ? first : ' '));
}
