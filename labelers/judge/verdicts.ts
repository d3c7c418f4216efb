/** What a judge has decided, read from its words. Where that is not clear it has decided nothing. */

/** A: the answer that was shown first is better. C: neither. */
export type Preferred = 'A' | 'B' | 'C';

/** The one verdict `[[A]]`, `[[B]]` or `[[C]]` in a text; none where there is none, or where there are different ones. */
export function preferredIn(text: string): Preferred | undefined {
  return theOnly([...text.matchAll(/\[\[([ABC])\]\]/g)].map(([, verdict]) => verdict as Preferred));
}

const LOWEST = 1;
const HIGHEST = 10;

/** The one rating `[[N]]` from 1 to 10 in a text; none where there is none, or where there are different ones. */
export function ratingIn(text: string): number | undefined {
  const rating = theOnly([...text.matchAll(/\[\[(\d+(?:\.\d+)?)\]\]/g)].map(([, number]) => Number(number)));
  return rating !== undefined && rating >= LOWEST && rating <= HIGHEST ? rating : undefined;
}

function theOnly<T>(found: T[]): T | undefined {
  return new Set(found).size === 1 ? found[0] : undefined;
}
