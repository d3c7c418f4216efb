/** A judge's replies by number: refused, without a verdict, tokens, cost. */
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
  const truncatedJudgements = undecided.filter(({ finishReason }) => finishReason === 'length').length;
  const withoutTemperature = answers.filter((answer) => answer.withoutTemperature).length;
  const promptTokens = answers.reduce((total, { usage }) => total + usage.promptTokens, 0);
  const completionTokens = answers.reduce((total, { usage }) => total + usage.completionTokens, 0);
  return {
    judgements: replies.length,
    refused: replies.length - answers.length,
    unparsed: undecided.length,
    ...(truncatedJudgements > 0 && { truncatedJudgements }),
    ...(withoutTemperature > 0 && { withoutTemperature }),
    promptTokens,
    completionTokens,
    ...(price && { usd: (promptTokens * price.prompt + completionTokens * price.completion) / 1e6 }),
  };
}
