/** Advice about responses that a labeler scored only in part or not at all. */

/** A sentence for each counter of a labeler that indicates a problem, with a remedy if there is one. */
export function adviceOnCounts({
  truncatedJudgements = 0,
  emptyAnswers = 0,
  unparsed = 0,
  refused = 0,
  withoutTemperature = 0,
  cut = 0,
  tooLong = 0,
}: Record<string, number>): string[] {
  const notes: [number, string][] = [
    [truncatedJudgements, "of the judge's answers were cut before a verdict: raise maxTokens (--judge-max-tokens)"],
    [
      unparsed - truncatedJudgements - emptyAnswers,
      "of the judge's answers have no verdict, or more than one: the template must ask for [[A]], [[B]] or [[C]], " +
        'or for a rating such as [[7]]',
    ],
    [
      emptyAnswers,
      "of the judge's answers are empty: it may have only thought; turn its thinking off (extraBody), or correct its server's reasoning parser",
    ],
    [refused, "of the judge's prompts were refused by it: they are too long, or against its rules"],
    [withoutTemperature, "of the judge's answers are at its default temperature: it does not take the one that is set"],
    [cut, "responses are longer than the labeler's model reads: their beginning was scored"],
    [tooLong, "responses have no score: they, or their prompts, are longer than the labeler's model reads"],
  ];
  return notes.filter(([count]) => count > 0).map(([count, note]) => `${count} ${note}.`);
}
