/** Added tokens, such as special ones, and how they are cut out of a text: `AddedVocabulary` of the tokenizers library. */
import type { Model } from './models.ts';
import type { Normalizer } from './normalizers.ts';
import { slice, type Piece } from './pieces.ts';
import { TokenTrie } from './token-trie.ts';

export interface AddedToken {
  content: string;
  /** Whether it is no token inside a word. */
  single_word: boolean;
  /** Whether it takes the white space before it, and after it. */
  lstrip: boolean;
  rstrip: boolean;
  /** Whether its normalized text is found in the normalized text. */
  normalized: boolean;
  /** Whether decoding leaves it out. */
  special: boolean;
}

export class AddedTokens {
  readonly ids = new Map<string, number>();
  readonly tokens = new Map<number, AddedToken>();
  /** What they are in a normalized text, and what they are decoded from. */
  readonly texts = new Map<number, string>();
  private readonly special = new Set<string>();
  private readonly model: Model;
  private readonly normalizer: Normalizer | undefined;
  /** Tokens that are cut out before normalization, and after it. */
  private early = new TokenTrie();
  private late = new TokenTrie();

  constructor(model: Model, normalizer: Normalizer | undefined) {
    this.model = model;
    this.normalizer = normalizer;
  }

  /**
   * Adds tokens. A known text keeps its id and gets the new settings; others get the ids that follow.
   * A token that was special once stays special.
   */
  add(tokens: AddedToken[]): void {
    const { size, vocabulary } = this.model;
    let next = [...this.tokens.keys()].reduce((most, id) => Math.max(most, id + 1), size);
    for (const token of tokens) {
      const { content } = token;
      if (content === '') continue;
      const id = this.ids.get(content) ?? vocabulary.get(content) ?? next++;
      this.ids.set(content, id);
      this.tokens.set(id, token);
      if (token.special) this.special.add(content);
    }
    [this.early, this.late] = [new TokenTrie(), new TokenTrie()];
    for (const [id, { content, normalized }] of this.tokens) {
      const text = normalized ? this.normalize(content) : content;
      this.texts.set(id, text);
      (normalized ? this.late : this.early).add(text, id);
    }
  }

  /** Whether decoding leaves out a token: as in the library, not if normalization changes a special token. */
  isSpecial(id: number): boolean {
    const text = this.texts.get(id);
    return text !== undefined && this.special.has(text);
  }

  /** A text as ids of added tokens, and the normalized pieces between them. */
  cut(text: string): (number | Piece)[] {
    const normalized = (piece: Piece) => this.normalizer?.(piece) ?? piece;
    return this.cutPiece({ text, isFirst: true }, this.early).flatMap((part) =>
      typeof part === 'number' ? [part] : this.cutPiece(normalized(part), this.late),
    );
  }

  private normalize(text: string): string {
    return this.normalizer?.({ text, isFirst: true }).text ?? text;
  }

  private cutPiece(piece: Piece, trie: TokenTrie): (number | Piece)[] {
    const { text } = piece;
    const parts: (number | Piece)[] = [];
    let done = 0;
    for (const { start, end, id } of trie.find(text)) {
      const { single_word, lstrip, rstrip } = this.tokens.get(id)!;
      if (single_word && isInWord(text, start, end)) continue;
      const from = lstrip ? Math.max(done, spaceBefore(text, start)) : start;
      const to = rstrip ? spaceAfter(text, end) : end;
      if (done < from) parts.push(slice(piece, done, from));
      // White space that the token before has taken is no token.
      if (from < to) parts.push(id);
      done = to;
    }
    if (done < text.length) parts.push(slice(piece, done));
    return parts;
  }
}

const SPACE = /\p{White_Space}/u;
const STARTS_WITH_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const ENDS_WITH_WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;

/** Where the white space before an index begins, and where the white space after it ends. */
function spaceBefore(text: string, index: number): number {
  let start = index;
  while (start > 0 && SPACE.test(text[start - 1])) start--;
  return start;
}
function spaceAfter(text: string, index: number): number {
  let end = index;
  while (end < text.length && SPACE.test(text[end])) end++;
  return end;
}

/** Whether a character of a word is next to a range of a text. */
const isInWord = (text: string, start: number, end: number): boolean =>
  ENDS_WITH_WORD.test(text.slice(Math.max(0, start - 2), start)) || STARTS_WITH_WORD.test(text.slice(end, end + 2));
