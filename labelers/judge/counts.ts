/** What a judge's replies came to beside the verdicts, and what to do about those that are no judgement. */
import { isAnswer, type Reply } from './ask.ts';

export interface Price {
  prompt: number;
  completion: number;
}

/**
 * Of what the replies say alone: how often a server was asked until it gave them has no place in labels.
 * @param verdicts one a reply, undefined where it has none
 */
export function countsOf(replies: Reply[], verdicts: unknown[], price?: Price): Record<string, number> {
  const answers = replies.filter(isAnswer);
  const undecided = replies.filter((_, i) => verdicts[i] === undefined).filter(isAnswer);
  const truncated = undecided.filter(({ finishReason }) => finishReason === 'length').length;
  const withoutTemperature = answers.filter((answer) => answer.withoutTemperature).length;
  const promptTokens = answers.reduce((total, { usage }) => total + usage.promptTokens, 0);
  const completionTokens = answers.reduce((total, { usage }) => total + usage.completionTokens, 0);
  return {
    judgements: replies.length,
    refused: replies.length - answers.length,
    unparsed: undecided.length,
    ...(truncated > 0 && { truncated }),
    ...(withoutTemperature > 0 && { withoutTemperature }),
    promptTokens,
    completionTokens,
    ...(price && { usd: (promptTokens * price.prompt + completionTokens * price.completion) / 1e6 }),
  };
}

/** Sentences on a judge's counts that somebody should know of, with what to do. */
export function adviceOn({
  truncated = 0,
  unparsed = 0,
  refused = 0,
  withoutTemperature = 0,
}: Record<string, number>): string[] {
  // prettier-ignore
  const notes: [number, string][] = [
    [truncated, "of the judge's answers were cut before a verdict: raise maxTokens (--judge-max-tokens)"],
    [unparsed - truncated, "of the judge's answers have no verdict, or more than one: the template must ask for [[A]], [[B]] or [[C]], or for a rating such as [[7]]"], // prettier-ignore
    [refused, "of the judge's prompts were refused by it: they are too long, or against its rules"],
    [withoutTemperature, "of the judge's answers are at its default temperature: it does not take the one that is set"],
  ];
  return notes.filter(([count]) => count > 0).map(([count, note]) => `${count} ${note}.`);
}
