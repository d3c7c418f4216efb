/**
 * Splits English text into sentences: a port of NLTK 3.9.1's Punkt tokenizer (nltk/tokenize/punkt.py, Apache-2.0) with its
 * pretrained model (see ../README.md).
 *
 * Section numbers are those of Kiss and Strunk (2006), Unsupervised Multilingual Sentence Boundary Detection, Computational
 * Linguistics 32.
 */
import { readFileSync } from 'node:fs';
import { isLower, isUpper, python, pythonPattern, trimEnd } from '../python.ts';

/** Positions and cases in which a word occurs in the training corpus: bits of the values in ortho_context.tab. */
const BEGIN_UPPER = 2;
const MIDDLE_UPPER = 4;
const UNKNOWN_UPPER = 8;
const BEGIN_LOWER = 16;
const MIDDLE_LOWER = 32;
const UNKNOWN_LOWER = 64;
const UPPER = BEGIN_UPPER | MIDDLE_UPPER | UNKNOWN_UPPER;
const LOWER = BEGIN_LOWER | MIDDLE_LOWER | UNKNOWN_LOWER;

/** Characters that cannot appear within words. */
const NON_WORD = String.raw`[)";}\]*:@'({\[?!]`;
const MULTI_PUNCTUATION = String.raw`(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)`;
const TOKEN = pythonPattern(
  String.raw`${MULTI_PUNCTUATION}|(?=[^("\x60{\[:;&#*@)}\]\-,])\S+?` +
    String.raw`(?=\s|$|${NON_WORD}|${MULTI_PUNCTUATION}|,(?=$|\s|${NON_WORD}|${MULTI_PUNCTUATION}))|\S`,
  'gu',
);
/** A mark that may end a sentence, followed by closing punctuation, or by white space and the next token. */
const SENTENCE_END = pythonPattern(String.raw`[.?!](?=(?<after>${NON_WORD}|\s+(?<next>\S+)))`, 'gu');
/** Closing punctuation at the beginning of a piece. It belongs to the previous sentence. */
const CLOSING = python(/^["')\]}]+?(?:\s+|(?=--)|$)/u);

interface Token {
  text: string;
  /** The key in the model's tables: the word in lower case, and the same key for all numbers. */
  type: string;
  abbreviation: boolean;
  ellipsis: boolean;
  breaks: boolean;
}

/** Splits an English text into sentences, without the white space between them. */
export function splitSentences(text: string): string[] {
  const pieces: { start: number; end: number }[] = [];
  let start = 0;
  for (const { context, end, next } of sentenceEnds(text)) {
    if (!containsBreak(context)) continue;
    pieces.push({ start, end });
    start = next;
  }
  pieces.push({ start, end: trimEnd(text).length });
  return realign(text, pieces);
}

/**
 * The possible sentence ends, each with the word before it and the token after it. Only the last mark of a word ("acting!!!") is used.
 */
function* sentenceEnds(text: string): Generator<{ context: string; end: number; next: number }> {
  let previous: { context: string; end: number; next: number } | undefined;
  let wordStart = 0;
  let wordEnd = 0;
  for (const match of text.matchAll(SENTENCE_END)) {
    const { after, next } = match.groups!;
    const space = text.slice(wordEnd, match.index).search(/[ \t\n\r\f\v][^ \t\n\r\f\v]*$/u);
    const start = space > 0 ? wordEnd + space + 1 : wordStart;
    if (previous && wordEnd <= start) yield previous;
    wordStart = start;
    wordEnd = match.index;
    const end = match.index + 1;
    previous = { context: text.slice(start, end) + after, end, next: next ? end + after.length - next.length : end };
  }
  if (previous) yield previous;
}

function realign(text: string, pieces: { start: number; end: number }[]): string[] {
  const sentences: string[] = [];
  let taken = 0;
  for (const [i, { start, end }] of pieces.entries()) {
    const following = pieces[i + 1];
    const closing = following && CLOSING.exec(text.slice(following.start, following.end))?.[0];
    const sentence = closing
      ? text.slice(start + taken, following.start + trimEnd(closing).length)
      : text.slice(start + taken, end);
    taken = closing?.length ?? 0;
    if (closing || sentence !== '') sentences.push(sentence);
  }
  return sentences;
}

/** Whether a token other than the last one ends a sentence. */
function containsBreak(context: string): boolean {
  const tokens = context
    .split('\n')
    .flatMap((line) => line.match(TOKEN) ?? [])
    .map(classify);
  for (let i = 0; i + 1 < tokens.length; i++) reclassify(tokens[i], tokens[i + 1]);
  return tokens.slice(0, -1).some(({ breaks }) => breaks);
}

/** Section 3, type-based classification: the class of a token without its context. */
function classify(text: string): Token {
  const type = text.toLowerCase().replace(/^-?[.,]?\p{Nd}[\p{Nd},.-]*\.?$/u, '##number##');
  const token = { text, type, abbreviation: false, ellipsis: false, breaks: false };
  if (/^[.?!]$/u.test(text)) token.breaks = true;
  else if (/^\.\.+$/u.test(text)) token.ellipsis = true;
  else if (text.endsWith('.') && !text.endsWith('..')) {
    const word = text.slice(0, -1).toLowerCase();
    const { abbreviations } = model();
    token.abbreviation = abbreviations.has(word) || abbreviations.has(word.split('-').at(-1)!);
    token.breaks = !token.abbreviation;
  }
  return token;
}

/** Section 4, token-based classification: the class of a token with a period, given the next token. */
function reclassify(token: Token, next: Token): void {
  if (!token.text.endsWith('.')) return;
  const { collocations, starters, contexts } = model();
  const type = withoutPeriod(token.type);
  const nextType = next.breaks ? withoutPeriod(next.type) : next.type;
  const initial = /^[\p{L}\p{Nl}\p{No}_]\.$/u.test(token.text);

  // 4.1.2: a collocation, whose first word has a period.
  if (collocations.has(`${type}\t${nextType}`)) {
    token.breaks = false;
    return;
  }
  // 4.2: an abbreviation or ellipsis may end a sentence as well.
  if ((token.abbreviation || token.ellipsis) && !initial) {
    if (startsSentence(next, nextType) === true || (isUpper(next.text[0]) && starters.has(nextType))) {
      token.breaks = true;
      return;
    }
  }
  // 4.3: initials and ordinal numbers.
  if (initial || type === '##number##') {
    const starts = startsSentence(next, nextType);
    const name = initial && isUpper(next.text[0]) && !((contexts.get(nextType) ?? 0) & LOWER);
    if (starts === false || (starts === undefined && name)) token.breaks = false;
  }
}

/** 4.1.1, orthographic heuristic: whether the word begins a sentence, from its cases in the corpus. Undefined if undecided. */
function startsSentence({ text }: Token, type: string): boolean | undefined {
  if (/^[;:,.!?]$/u.test(text)) return false;
  const context = model().contexts.get(type) ?? 0;
  if (isUpper(text[0]) && context & LOWER && !(context & MIDDLE_UPPER)) return true;
  if (isLower(text[0]) && (context & UPPER || !(context & BEGIN_LOWER))) return false;
  return undefined;
}

function withoutPeriod(type: string): string {
  return type.length > 1 && type.endsWith('.') ? type.slice(0, -1) : type;
}

interface Model {
  abbreviations: Set<string>;
  /** Pairs of types, separated by a tab. */
  collocations: Set<string>;
  starters: Set<string>;
  contexts: Map<string, number>;
}

let loaded: Model | undefined;

/** The pretrained model, loaded at the first call. */
function model(): Model {
  return (loaded ??= {
    abbreviations: new Set(table('abbrev_types.txt')),
    collocations: new Set(table('collocations.tab')),
    starters: new Set(table('sent_starters.txt')),
    contexts: new Map(table('ortho_context.tab').map((line) => [line.split('\t')[0], Number(line.split('\t')[1])])),
  });
}

function table(name: string): string[] {
  return readFileSync(new URL(name, import.meta.url), 'utf8').split('\n');
}
