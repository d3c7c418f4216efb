/** Byte-pair encoding: `models/bpe` of the tokenizers library, whose order of events this follows. */
import { MinHeap } from './min-heap.ts';
import { flag, text, type Settings } from './settings.ts';

const utf8 = new TextEncoder();

/** Longer words (in UTF-16 units) and more words are not remembered. */
const MAX_WORD = 256;
const MAX_WORDS = 10_000;

/** Pairs of ids as one number. */
const SHIFT = 2 ** 26;

interface Merges {
  ranks: Map<number, number>;
  /** The merged token of every rank. */
  results: number[];
}

/** @returns a function that encodes a word */
export function bpe(settings: Settings, vocabulary: Map<string, number>): (word: string) => number[] {
  if (settings['dropout']) throw new Error('a BPE model with dropout, whose tokens are random, is not supported');
  const ignoreMerges = flag(settings, 'ignore_merges', false);
  const symbols = symbolizer(settings, vocabulary);
  const merges = mergesOf(settings, vocabulary);
  const known = new Map<string, number[]>();
  return (word) => {
    const whole = ignoreMerges ? vocabulary.get(word) : undefined;
    if (whole !== undefined) return [whole];
    const found = known.get(word);
    if (found) return found;
    const ids = mergeAll(symbols(word), merges);
    if (word.length < MAX_WORD && known.size < MAX_WORDS) known.set(word, ids);
    return ids;
  };
}

/** A word's characters as tokens: unknown ones as their bytes' tokens or as the unknown token. These are merged like all others. */
function symbolizer(settings: Settings, vocabulary: Map<string, number>): (word: string) => number[] {
  const [prefix, suffix] = [text(settings, 'continuing_subword_prefix', ''), text(settings, 'end_of_word_suffix', '')];
  const [byteFallback, fuses] = [flag(settings, 'byte_fallback', false), flag(settings, 'fuse_unk', false)];
  const unknown = settings['unk_token'] == null ? undefined : text(settings, 'unk_token');
  const bytesOf = (symbol: string) => {
    const ids = Array.from(utf8.encode(symbol), (byte) => vocabulary.get(byteToken(byte)));
    return ids.every((id) => id !== undefined) ? ids : undefined;
  };
  return (word) => {
    const characters = [...word];
    const ids: number[] = [];
    // Written only before the next known character: bytes that come between them are written before it, as the library does.
    let pending: number | undefined;
    const writePending = () => {
      if (pending !== undefined) ids.push(pending);
      pending = undefined;
    };
    for (const [i, character] of characters.entries()) {
      const symbol = (i > 0 ? prefix : '') + character + (i === characters.length - 1 ? suffix : '');
      const id = vocabulary.get(symbol);
      const bytes = id === undefined && byteFallback ? bytesOf(symbol) : undefined;
      if (id !== undefined) {
        writePending();
        ids.push(id);
      } else if (bytes) ids.push(...bytes);
      else if (unknown !== undefined && !(fuses && pending !== undefined)) {
        writePending();
        pending = vocabulary.get(unknown);
        if (pending === undefined) throw new Error(`the vocabulary lacks its unknown token ${JSON.stringify(unknown)}`);
      }
    }
    writePending();
    return ids;
  };
}

/** The token of a byte: `<0x0A>`. */
export const byteToken = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

function mergesOf(settings: Settings, vocabulary: Map<string, number>): Merges {
  const { merges } = settings;
  if (!Array.isArray(merges)) throw new Error('BPE has no list "merges"');
  const prefix = text(settings, 'continuing_subword_prefix', '');
  const idOf = (token: string) => {
    const id = vocabulary.get(token);
    if (id !== undefined) return id;
    throw new Error(`the token ${JSON.stringify(token)} of a merge is not in the vocabulary`);
  };
  const ranks = new Map<number, number>();
  const results: number[] = [];
  for (const merge of merges as unknown[]) {
    if (typeof merge === 'string' && merge.startsWith('#version')) continue;
    const [first, second, ...rest] = (typeof merge === 'string' ? merge.split(' ') : merge) as unknown[];
    if (typeof first !== 'string' || typeof second !== 'string' || rest.length > 0) {
      throw new Error(`merge ${results.length + 1} is no pair of tokens`);
    }
    ranks.set(idOf(first) * SHIFT + idOf(second), results.length);
    results.push(idOf(first + second.slice(prefix.length)));
  }
  return { ranks, results };
}

/** Merges the pairs of neighbors, those of the lowest rank first, and of one rank the leftmost. */
function mergeAll(ids: number[], { ranks, results }: Merges): number[] {
  const next = ids.map((_, i) => i + 1);
  const previous = ids.map((_, i) => i - 1);
  const isMerged = ids.map(() => false);
  const heap = new MinHeap();
  const rankAt = (i: number) => ranks.get(ids[i] * SHIFT + ids[next[i]]);
  const push = (i: number) => {
    const rank = next[i] < ids.length ? rankAt(i) : undefined;
    if (rank !== undefined) heap.push(rank * SHIFT + i);
  };
  for (let i = 0; i < ids.length - 1; i++) push(i);
  for (let entry = heap.pop(); entry !== undefined; entry = heap.pop()) {
    const i = entry % SHIFT;
    const result = results[(entry - i) / SHIFT];
    if (isMerged[i] || next[i] >= ids.length) continue;
    // An entry whose pair has changed is obsolete.
    const rank = rankAt(i);
    if (rank === undefined || results[rank] !== result) continue;
    const right = next[i];
    ids[i] = result;
    isMerged[right] = true;
    next[i] = next[right];
    if (next[i] < ids.length) previous[next[i]] = i;
    if (previous[i] >= 0) push(previous[i]);
    push(i);
  }
  return ids.filter((_, i) => !isMerged[i]);
}
