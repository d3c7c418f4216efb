/** Labelers that apply a rule to each response separately. */
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../data/errors.ts';
import type { PromptRecord } from '../data/records.ts';
import { TimeLimitReached, withinTime } from '../data/time-limit.ts';
import type { Candidates, Labeler, Verdict } from './labeler.ts';

/** Creates the check for responses to a prompt. @throws InputError when the prompt's row has no data for the rule */
export type Rule = (prompt: PromptRecord) => (answer: string) => Verdict;

/** Number of prompts checked under one time limit, without a heartbeat between them. Setting a time limit takes 0.1 ms. */
const TOGETHER = 32;

/** Creates a labeler that applies a rule to each response. A rule that takes too long fails with an InputError. */
export function programLabeler(name: string, rule: Rule): Labeler {
  const judgeOne = ({ prompt, answers }: Candidates) => answers.map(rule(prompt));
  return {
    name,
    check: (prompt) => void rule(prompt),
    async judge(prompts, { signal }) {
      const verdicts: Verdict[][] = [];
      // Lets the worker send heartbeats, because checking many long responses takes long.
      const rest = async () => {
        await setImmediate();
        signal?.throwIfAborted();
      };
      for (let at = 0; at < prompts.length; at += TOGETHER) {
        const some = prompts.slice(at, at + TOGETHER);
        const judged = some.length > 1 ? judgeTogether(() => some.map(judgeOne)) : undefined;
        if (judged) verdicts.push(...judged);
        await rest();
        for (const one of judged ? [] : some) {
          verdicts.push(boundedRule(`The labeler ${name}, on prompt "${one.prompt.id}",`, () => judgeOne(one)));
          await rest();
        }
      }
      return { verdicts };
    },
  };
}

/** The verdicts on several prompts; undefined if a limit is reached. The prompts are then checked one by one to find the slow one. */
function judgeTogether(judgeAll: () => Verdict[][]): Verdict[][] | undefined {
  try {
    return withinTime(judgeAll);
  } catch (error) {
    if (isOfPattern(error)) return undefined;
    throw error;
  }
}

/** Whether an error comes from a regular expression. V8 compiles expressions at their first use and limits the backtracking stack. */
const isOfPattern = (error: unknown) =>
  error instanceof TimeLimitReached || error instanceof RangeError || error instanceof SyntaxError;

/**
 * Applies a rule that may contain the user's regular expressions.
 * @param what subject of the error message
 * @throws InputError when the rule takes too much time or memory
 */
export function boundedRule<T>(what: string, apply: () => T): T {
  try {
    return withinTime(apply);
  } catch (error) {
    if (!isOfPattern(error)) throw error;
    const problem =
      error instanceof TimeLimitReached ? error.message : `takes too much memory (${(error as Error).message})`;
    throw new InputError(`${what} ${problem}; simplify its regular expression.`);
  }
}
