/** SentencePiece's unigram model: `models/unigram` of the tokenizers library. */
import { byteToken } from './bpe.ts';
import { flag, type Settings } from './settings.ts';

const utf8 = new TextEncoder();

/** How much less likely than the least likely piece an unknown character is, in nats. */
const UNKNOWN_PENALTY = 10;

interface Unigram {
  vocabulary: Map<string, number>;
  tokens: string[];
  encode(word: string): number[];
}

/** The best segmentation up to an index of a word. */
interface Best {
  score: number;
  start: number;
  id: number;
}

export function unigram(settings: Settings): Unigram {
  const { tokens, scores } = piecesOf(settings);
  const vocabulary = new Map(tokens.map((token, id) => [token, id]));
  const unknown = unknownOf(settings, tokens);
  const byteFallback = flag(settings, 'byte_fallback', false);
  const unknownScore = scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY;
  const lengths = lengthsOf(tokens);
  const needUnknown = () => {
    if (unknown !== undefined) return unknown;
    throw new Error('the vocabulary lacks a piece of the text, and there is no unk_id');
  };

  /** Runs of unknown characters are one piece. */
  const segment = (word: string): string[] => {
    const best: (Best | undefined)[] = [{ score: 0, start: 0, id: -1 }];
    const offer = (start: number, end: number, id: number, score: number) => {
      const total = score + best[start]!.score;
      const current = best[end];
      if (!current || total > current.score) best[end] = { score: total, start, id };
    };
    for (let start = 0; start < word.length;) {
      const width = word.codePointAt(start)! > 0xffff ? 2 : 1;
      let isKnown = false;
      for (const length of lengths.get(word[start]) ?? []) {
        if (start + length > word.length) break;
        const id = vocabulary.get(word.slice(start, start + length));
        if (id === undefined) continue;
        offer(start, start + length, id, scores[id]);
        if (length === width) isKnown = true;
      }
      if (!isKnown) offer(start, start + width, needUnknown(), unknownScore);
      start += width;
    }
    const pieces: string[] = [];
    let isAfterUnknown = false;
    for (let end = word.length; end > 0; end = best[end]!.start) {
      const { start, id } = best[end]!;
      const piece = word.slice(start, end);
      if (id === unknown && isAfterUnknown) pieces[pieces.length - 1] = piece + pieces.at(-1)!;
      else pieces.push(piece);
      isAfterUnknown = id === unknown;
    }
    return pieces.reverse();
  };

  const idsOf = (piece: string): number[] => {
    const id = vocabulary.get(piece);
    if (id !== undefined) return [id];
    const bytes = byteFallback ? Array.from(utf8.encode(piece), (byte) => vocabulary.get(byteToken(byte))) : [];
    return byteFallback && bytes.every((byte) => byte !== undefined) ? bytes : [needUnknown()];
  };
  return { vocabulary, tokens, encode: (word) => segment(word).flatMap(idsOf) };
}

function piecesOf({ vocab }: Settings): { tokens: string[]; scores: number[] } {
  if (!Array.isArray(vocab)) throw new Error('the vocabulary is not a list');
  for (const [i, piece] of vocab.entries()) {
    const [token, score] = (Array.isArray(piece) ? piece : []) as unknown[];
    if (typeof token !== 'string' || typeof score !== 'number') throw new Error(`piece ${i} has no text or no score`);
  }
  const pieces = vocab as [string, number][];
  return { tokens: pieces.map(([token]) => token), scores: pieces.map(([, score]) => score) };
}

function unknownOf({ unk_id: id }: Settings, tokens: string[]): number | undefined {
  if (id === null || id === undefined) return undefined;
  if (typeof id === 'number' && id in tokens) return id;
  throw new Error('unk_id of Unigram is not in the vocabulary');
}

/** The lengths of pieces by their first UTF-16 unit, in ascending order. */
function lengthsOf(tokens: string[]): Map<string, number[]> {
  const lengths = new Map<string, Set<number>>();
  for (const token of tokens) {
    if (token !== '') lengths.set(token[0], (lengths.get(token[0]) ?? new Set()).add(token.length));
  }
  return new Map([...lengths].map(([first, set]) => [first, [...set].sort((a, b) => a - b)]));
}
