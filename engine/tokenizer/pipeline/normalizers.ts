/** Changes a text before it is split: `normalizer` of tokenizer.json. */
import { asByteCharacters } from './byte-level.ts';
import { patternOf } from './patterns.ts';
import { slice, spansOf, type Piece } from './pieces.ts';
import { precompiled } from './precompiled.ts';
import { flag, parts, text, typeOf, type Settings } from './settings.ts';

export type Normalizer = (piece: Piece) => Piece;

/** @throws Error when the settings are invalid, or of a kind that is not supported */
export function normalizerOf(settings: Settings): Normalizer {
  const type = typeOf(settings);
  switch (type) {
    case 'Sequence': {
      const steps = parts(settings, 'normalizers').map(normalizerOf);
      return (piece) => steps.reduce((normalized, step) => step(normalized), piece);
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return changing((text) => text.normalize(type));
    case 'Lowercase':
      return changing(lowercase);
    case 'StripAccents':
      return removing(/\p{M}/gu);
    case 'Strip':
      return strip(settings);
    case 'Replace':
      return replace(settings);
    case 'Prepend': {
      const prefix = text(settings, 'prepend');
      return changing((text) => (text === '' ? '' : prefix + text));
    }
    case 'Nmt': {
      const remove = removing(NMT_CONTROL);
      const map = changing((text) => text.replaceAll(NMT_SPACE, ' '));
      return (piece) => map(remove(piece));
    }
    case 'ByteLevel':
      return changing(asByteCharacters);
    case 'Precompiled':
      return changing(precompiled(text(settings, 'precompiled_charsmap')));
    case 'BertNormalizer':
      return bert(settings);
    default:
      throw new Error(`the normalizer ${type} is not supported`);
  }
}

/** Characters that SentencePiece's `nmt` rules drop, and those that they make a space. */
// oxlint-disable-next-line no-control-regex
const NMT_CONTROL = /[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]/gu;
const NMT_SPACE = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/gu;

/** For changes that keep the first character, as another one if need be. */
const changing =
  (change: (text: string) => string): Normalizer =>
  (piece) => ({ ...piece, text: change(piece.text) });

/** A piece whose first characters are removed no longer begins where the text begins. */
const removing =
  (characters: RegExp): Normalizer =>
  (piece) => {
    const [first] = spansOf(characters, piece.text);
    return { text: piece.text.replaceAll(characters, ''), isFirst: piece.isFirst && !(first?.isMatch ?? false) };
  };

/** Every character by itself: JavaScript alone writes a final sigma. */
const lowercase = (text: string): string => text.replaceAll('Σ', 'σ').toLowerCase();

function strip(settings: Settings): Normalizer {
  const [left, right] = [flag(settings, 'strip_left'), flag(settings, 'strip_right')];
  return (piece) => {
    const start = left ? /^\p{White_Space}*/u.exec(piece.text)![0].length : 0;
    const stripped = slice(piece, start);
    return right ? { ...stripped, text: stripped.text.replace(/\p{White_Space}+$/u, '') } : stripped;
  };
}

function replace(settings: Settings): Normalizer {
  const [pattern, content] = [patternOf(settings), text(settings, 'content')];
  return (piece) => {
    const spans = spansOf(pattern, piece.text);
    const first = spans.find(({ start, isMatch }) => start === 0 && isMatch);
    const isMoved = first !== undefined && (content === '' || /^..+$/su.test(piece.text.slice(0, first.end)));
    const replaced = spans.map(({ start, end, isMatch }) => (isMatch ? content : piece.text.slice(start, end)));
    return { text: replaced.join(''), isFirst: piece.isFirst && !isMoved };
  };
}

/** BERT's ideographs, which become words of their own. */
const IDEOGRAPH =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;
const BERT_REMOVED = /(?![\t\n\r])[\0\ufffd\p{Cc}\p{Cf}\p{Co}]/gu;

function bert(settings: Settings): Normalizer {
  const isLower = flag(settings, 'lowercase');
  const steps: Normalizer[] = [];
  if (flag(settings, 'clean_text')) {
    steps.push(
      removing(BERT_REMOVED),
      changing((text) => text.replaceAll(/\p{White_Space}/gu, ' ')),
    );
  }
  if (flag(settings, 'handle_chinese_chars')) steps.push(changing((text) => text.replaceAll(IDEOGRAPH, ' $& ')));
  if (flag(settings, 'strip_accents', isLower)) {
    steps.push(
      changing((text) => text.normalize('NFD')),
      removing(/\p{Mn}/gu),
    );
  }
  if (isLower) steps.push(changing(lowercase));
  return (piece) => steps.reduce((normalized, step) => step(normalized), piece);
}
