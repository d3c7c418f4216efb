/** Pieces of a text, and how a pattern splits them: `NormalizedString::split` of the tokenizers library. */

/** A part of a text on its way from the normalizer to the model. */
export interface Piece {
  text: string;
  /** Whether it begins at the beginning of the whole text: `prepend_scheme: first` of Metaspace depends on it. */
  isFirst: boolean;
}

/** What happens to the matches of a pattern that splits a text. */
const BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
export type Behavior = (typeof BEHAVIORS)[number];

export function behaviorOf(value: string): Behavior {
  const behavior = BEHAVIORS.find((known) => known === value);
  if (behavior) return behavior;
  throw new Error(`unknown behavior ${JSON.stringify(value)} of a split`);
}

/** A range of a text, which a pattern matches or does not match. */
export interface Span {
  start: number;
  end: number;
  isMatch: boolean;
}

/** All of a text as matches of a global pattern and what is between them. Nothing matches in an empty text. */
export function spansOf(pattern: RegExp, text: string): Span[] {
  const spans: Span[] = [];
  if (text === '') return spans;
  let end = 0;
  let isAfterMatch = false;
  for (const { index, 0: match } of text.matchAll(pattern)) {
    // JavaScript finds empty matches directly after a match and between surrogates; Oniguruma does not.
    if (match === '' && ((isAfterMatch && index === end) || isBetweenSurrogates(text, index))) continue;
    if (index > end) spans.push({ start: end, end: index, isMatch: false });
    end = index + match.length;
    spans.push({ start: index, end, isMatch: true });
    isAfterMatch = true;
  }
  if (end < text.length) spans.push({ start: end, end: text.length, isMatch: false });
  return spans;
}

const isBetweenSurrogates = (text: string, index: number): boolean =>
  index > 0 && text.codePointAt(index - 1)! > 0xffff;

/** The pieces into which a pattern splits a piece. @param invert swaps what matches and what does not */
export function split(piece: Piece, pattern: RegExp, behavior: Behavior, invert = false): Piece[] {
  const found = spansOf(pattern, piece.text);
  const spans = invert ? found.map((span) => ({ ...span, isMatch: !span.isMatch })) : found;
  return rangesOf(spans, behavior).map(({ start, end }) => slice(piece, start, end));
}

/** A part of a piece. */
export const slice = ({ text, isFirst }: Piece, start: number, end?: number): Piece => ({
  text: text.slice(start, end),
  isFirst: isFirst && start === 0,
});

function rangesOf(spans: Span[], behavior: Behavior): Span[] {
  switch (behavior) {
    case 'Removed':
      return spans.filter(({ isMatch }) => !isMatch);
    case 'Isolated':
      return spans;
    case 'Contiguous':
      return joined(spans, (isMatch, wasMatch) => isMatch === wasMatch);
    case 'MergedWithPrevious':
      return joined(spans, (isMatch, wasMatch) => isMatch && !wasMatch);
    case 'MergedWithNext':
      return joined(spans.toReversed(), (isMatch, wasMatch) => isMatch && !wasMatch).reverse();
  }
}

/** Joins a span with the one before it, if there is one and the condition holds. */
function joined(spans: Span[], isJoined: (isMatch: boolean, wasMatch: boolean) => boolean): Span[] {
  const ranges: Span[] = [];
  let wasMatch = false;
  for (const span of spans) {
    const last = ranges.at(-1);
    if (last && isJoined(span.isMatch, wasMatch)) {
      last.start = Math.min(last.start, span.start);
      last.end = Math.max(last.end, span.end);
    } else ranges.push({ ...span });
    wasMatch = span.isMatch;
  }
  return ranges;
}
