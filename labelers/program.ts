/** Labelers that apply a rule to one response after the other. */
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../data/errors.ts';
import type { PromptRecord } from '../data/records.ts';
import { TimeLimitReached, withinTime } from '../data/time-limit.ts';
import type { Candidates, Labeler, Verdict } from './labeler.ts';

/** Makes a prompt's check of responses. @throws InputError when the prompt's row lacks what the rule needs */
export type Rule = (prompt: PromptRecord) => (answer: string) => Verdict;

/** Prompts between two heartbeats, under one time limit: setting one takes 0.1 ms. */
const TOGETHER = 32;

export function programLabeler(name: string, rule: Rule): Labeler {
  const judgeOne = ({ prompt, answers }: Candidates) => answers.map(rule(prompt));
  return {
    name,
    check: (prompt) => void rule(prompt),
    async judge(prompts, { signal }) {
      const verdicts: Verdict[][] = [];
      // Lets the worker send heartbeats: checking many long responses takes a while.
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

/** Undefined where a limit is reached: by all together, or by one prompt, which is then found. */
function judgeTogether(judgeAll: () => Verdict[][]): Verdict[][] | undefined {
  try {
    return withinTime(judgeAll);
  } catch (error) {
    if (isOfPattern(error)) return undefined;
    throw error;
  }
}

/** Errors of a regular expression: V8 compiles it at its first use, and limits its backtracking stack. */
const isOfPattern = (error: unknown) =>
  error instanceof TimeLimitReached || error instanceof RangeError || error instanceof SyntaxError;

/**
 * Applies a rule that may contain the user's regular expressions.
 * @param what subject of the error's sentence
 * @throws InputError when it takes too much time or memory
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
