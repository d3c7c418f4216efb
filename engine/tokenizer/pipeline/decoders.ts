/** Turns tokens back into text: `decoder` of tokenizer.json. */
import { bytesOf } from './byte-level.ts';
import { patternOf } from './patterns.ts';
import { spansOf } from './pieces.ts';
import { prependScheme } from './pre-tokenizers.ts';
import { count, flag, parts, text, typeOf, type Settings } from './settings.ts';

export type Decoder = (tokens: string[]) => string[];

/** @throws Error when the settings are invalid, or of a kind that is not supported */
export function decoderOf(settings: Settings): Decoder {
  const type = typeOf(settings);
  switch (type) {
    case 'Sequence': {
      const steps = parts(settings, 'decoders').map(decoderOf);
      return (tokens) => steps.reduce((decoded, step) => step(decoded), tokens);
    }
    case 'ByteLevel':
      return (tokens) => [lossy.decode(Uint8Array.from(tokens.flatMap(bytesOf)))];
    case 'ByteFallback':
      return byteFallback;
    case 'Fuse':
      return (tokens) => [tokens.join('')];
    case 'Metaspace':
      return metaspace(settings);
    case 'Replace': {
      const [pattern, content] = [patternOf(settings), text(settings, 'content')];
      const replaced = (token: string) =>
        spansOf(pattern, token).map(({ start, end, isMatch }) => (isMatch ? content : token.slice(start, end)));
      return (tokens) => tokens.map((token) => replaced(token).join(''));
    }
    case 'Strip':
      return strip(settings);
    case 'BPEDecoder': {
      const suffix = text(settings, 'suffix');
      return (tokens) => tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? '' : ' '));
    }
    case 'WordPiece':
      return wordPiece(settings);
    case 'CTC':
      return ctc(settings);
    default:
      throw new Error(`the decoder ${type} is not supported`);
  }
}

/** Whether a decoder is of a type, or contains a decoder of it. */
export const hasDecoder = (settings: Settings | undefined, type: string): boolean =>
  settings !== undefined &&
  (settings['type'] === type ||
    (settings['type'] === 'Sequence' && parts(settings, 'decoders').some((step) => hasDecoder(step, type))));

const BYTE_TOKEN = /^<0x([\dA-F]{2})>$/i;
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder('utf-8', { ignoreBOM: true });

/** The byte of a token such as `<0xE2>`. */
export function byteOf(token: string): number | undefined {
  const byte = BYTE_TOKEN.exec(token)?.[1];
  return byte === undefined ? undefined : Number.parseInt(byte, 16);
}

/** A run of bytes that is no UTF-8 becomes one replacement character per byte. */
function byteFallback(tokens: string[]): string[] {
  const texts: string[] = [];
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length > 0) texts.push(...runOf(bytes));
    bytes = [];
  };
  for (const token of tokens) {
    const byte = byteOf(token);
    if (byte !== undefined) bytes.push(byte);
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

/** All marks in the first token are dropped; none if no mark is prepended. */
function metaspace(settings: Settings): Decoder {
  const mark = text(settings, 'replacement');
  const first = prependScheme(settings) === 'never' ? ' ' : '';
  return (tokens) => tokens.map((token, i) => token.replaceAll(mark, i === 0 ? first : ' '));
}

function strip(settings: Settings): Decoder {
  const content = text(settings, 'content');
  const [start, stop] = [count(settings, 'start'), count(settings, 'stop')];
  return (tokens) =>
    tokens.map((token) => {
      const characters = [...token];
      let [from, to] = [0, characters.length];
      while (from < Math.min(start, characters.length) && characters[from] === content) from++;
      while (to > Math.max(0, characters.length - stop) && characters[to - 1] === content) to--;
      return characters.slice(from, to).join('');
    });
}

function wordPiece(settings: Settings): Decoder {
  const [prefix, isCleaned] = [text(settings, 'prefix'), flag(settings, 'cleanup')];
  return (tokens) =>
    tokens.map((token, i) => {
      const rest = token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
      const word = i === 0 ? token : rest;
      return isCleaned ? cleanedUp(word) : word;
    });
}

function ctc(settings: Settings): Decoder {
  const [pad, delimiter] = [text(settings, 'pad_token'), text(settings, 'word_delimiter_token')];
  const isCleaned = flag(settings, 'cleanup');
  return (tokens) =>
    tokens
      .filter((token, i) => token !== tokens[i - 1])
      .map((token) => token.replaceAll(pad, ''))
      .map((token) => (isCleaned ? cleanedUp(token).replaceAll(delimiter, ' ') : token))
      .filter((token) => token !== '');
}

const CLEANUP = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [' do not', " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
] as const;

/** Spaces before punctuation and contractions are removed. */
const cleanedUp = (word: string): string =>
  CLEANUP.reduce((cleaned, [found, replacement]) => cleaned.replaceAll(found, replacement), word);
