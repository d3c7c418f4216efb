/** Held-out prompts, which must not be among training prompts, and the comparison that finds them. */
import type { Text } from '../../data/records.ts';
import { normalizedWords, type BaseRow } from './base.ts';

/** Length of the word sequences that are compared. */
const GRAM = 8;
/** A prompt is a near copy if more than this share of its words is in sequences that held-out prompts have. */
const SHARE = 0.5;

/** Why a prompt cannot be used for training. */
type Leak = 'heldOut' | 'nearHeldOut';

/** Compares prompts with held-out ones. Case, punctuation and white space are ignored. */
export class HeldOut {
  private readonly texts: string[];
  private readonly all: string;
  private readonly grams: Set<string>;

  constructor(rows: BaseRow[]) {
    const texts = rows.flatMap(({ record, base }) => [record.prompt, base]).map(normalizedWords);
    this.texts = [...new Set(texts)].filter((text) => text !== '');
    this.all = this.texts.map((text) => ` ${text} `).join('\n');
    this.grams = new Set(this.texts.flatMap((text) => gramsOf(text.split(' '))));
  }

  /** Whether a prompt is or contains a held-out one. */
  isIn(prompt: Text): boolean {
    const words = ` ${normalizedWords(prompt)} `;
    return this.texts.some((text) => words.includes(` ${text} `));
  }

  /**
   * Why a base prompt cannot be used: `heldOut` if it is, contains or is contained in a held-out prompt; `nearHeldOut` if more than
   * half of its words are in sequences of eight words that held-out prompts have (the rule of Tulu 3, arXiv 2411.15124, section 3.2).
   */
  leakOf(base: Text): Leak | undefined {
    const text = normalizedWords(base);
    if (this.all.includes(` ${text} `) || this.isIn(base)) return 'heldOut';
    const words = text.split(' ');
    const covered = new Set<number>();
    for (const [start, gram] of gramsOf(words).entries())
      if (this.grams.has(gram)) for (let i = 0; i < GRAM; i++) covered.add(start + i);
    return covered.size > SHARE * words.length ? 'nearHeldOut' : undefined;
  }
}

const gramsOf = (words: string[]): string[] =>
  Array.from({ length: Math.max(0, words.length - GRAM + 1) }, (_, i) => words.slice(i, i + GRAM).join(' '));
