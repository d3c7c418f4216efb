/** Splits a text into the words that the model encodes: `pre_tokenizer` of tokenizer.json. */
import { asByteCharacters } from './byte-level.ts';
import { literal, patternOf } from './patterns.ts';
import { behaviorOf, split, type Behavior, type Piece } from './pieces.ts';
import { count, flag, parts, text, typeOf, type Settings } from './settings.ts';

export type PreTokenizer = (pieces: Piece[]) => Piece[];

/** @throws Error when the settings are invalid, or of a kind that is not supported */
export function preTokenizerOf(settings: Settings): PreTokenizer {
  const type = typeOf(settings);
  switch (type) {
    case 'Sequence': {
      const steps = parts(settings, 'pretokenizers').map(preTokenizerOf);
      return (pieces) => steps.reduce((words, step) => step(words), pieces);
    }
    case 'Split':
      return splitting(patternOf(settings), behaviorOf(text(settings, 'behavior')), flag(settings, 'invert'));
    case 'Punctuation':
      return splitting(PUNCTUATION, behaviorOf(text(settings, 'behavior', 'Isolated')));
    case 'Digits':
      return splitting(NUMERIC, flag(settings, 'individual_digits') ? 'Isolated' : 'Contiguous');
    case 'CharDelimiterSplit':
      return splitting(literal(text(settings, 'delimiter')), 'Removed');
    case 'Whitespace':
      return splitting(WORDS, 'Removed', true);
    case 'WhitespaceSplit':
      return splitting(WHITE_SPACE, 'Removed');
    case 'BertPreTokenizer': {
      const [spaces, punctuation] = [splitting(WHITE_SPACE, 'Removed'), splitting(PUNCTUATION, 'Isolated')];
      return (pieces) => punctuation(spaces(pieces));
    }
    case 'FixedLength': {
      const length = count(settings, 'length');
      return splitting(new RegExp(String.raw`[\s\S]{1,${length}}`, 'gu'), 'Isolated');
    }
    case 'ByteLevel':
      return byteLevel(settings);
    case 'Metaspace':
      return metaspace(settings);
    default:
      throw new Error(`the pre-tokenizer ${type} is not supported`);
  }
}

const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/gu;
const NUMERIC = /\p{N}/gu;
const WHITE_SPACE = /\p{White_Space}/gu;
/** `\w+|[^\w\s]+` of Rust. */
const WORDS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;
/** GPT-2's words. */
const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Applies a step to every piece; empty pieces are dropped. */
const eachPiece =
  (step: (piece: Piece) => Piece[]): PreTokenizer =>
  (pieces) =>
    pieces.flatMap(step).filter((piece) => piece.text !== '');

const splitting = (pattern: RegExp, behavior: Behavior, invert = false): PreTokenizer =>
  eachPiece((piece) => split(piece, pattern, behavior, invert));

function byteLevel(settings: Settings): PreTokenizer {
  const isPrefixed = flag(settings, 'add_prefix_space');
  const isSplit = flag(settings, 'use_regex', true);
  return eachPiece((piece) => {
    const prefixed = isPrefixed && !piece.text.startsWith(' ') ? { ...piece, text: ` ${piece.text}` } : piece;
    const words = isSplit ? split(prefixed, GPT2, 'Isolated') : [prefixed];
    return words.map((word) => ({ ...word, text: asByteCharacters(word.text) }));
  });
}

function metaspace(settings: Settings): PreTokenizer {
  const mark = text(settings, 'replacement');
  const scheme = prependScheme(settings);
  const isSplit = flag(settings, 'split', true);
  const pattern = literal(mark);
  return eachPiece((piece) => {
    const text = piece.text.replaceAll(' ', mark);
    const isPrefixed = scheme === 'always' || (scheme === 'first' && piece.isFirst);
    const marked = { ...piece, text: isPrefixed && !text.startsWith(mark) ? mark + text : text };
    return isSplit ? split(marked, pattern, 'MergedWithNext') : [marked];
  });
}

/** Where Metaspace prepends its mark. Older files have `add_prefix_space`, which must not contradict it. */
export function prependScheme(settings: Settings): string {
  const scheme = text(settings, 'prepend_scheme', 'always');
  if (!['always', 'first', 'never'].includes(scheme))
    throw new Error(`unknown prepend_scheme ${JSON.stringify(scheme)}`);
  if (flag(settings, 'add_prefix_space', true) || scheme === 'never') return scheme;
  throw new Error('add_prefix_space and prepend_scheme of Metaspace contradict each other');
}
