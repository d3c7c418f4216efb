/** The rating in a judgement, by FastChat's patterns: its own format, else a number in single brackets. */
const PATTERNS = [/\[\[(\d+\.?\d*)\]\]/, /\[(\d+\.?\d*)\]/];

/** None where there is none. As published, a rating is not held to the scale that the prompt names. */
export function ratingIn(judgement: string): number | undefined {
  for (const pattern of PATTERNS) {
    const found = pattern.exec(judgement);
    if (found) return Number(found[1]);
  }
  return undefined;
}
