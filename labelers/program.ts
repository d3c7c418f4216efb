/** Labelers that are a rule: a program that looks at one answer after the other. */
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../data/errors.ts';
import type { PromptRecord } from '../data/records.ts';
import { TimeLimitReached, withinTime } from '../data/time-limit.ts';
import type { Candidates, Labeler, Verdict } from './labeler.ts';

/** Reads what a prompt asks for. @throws InputError when it asks for nothing that the rule knows */
export type Rule = (prompt: PromptRecord) => (answer: string) => Verdict;

/** Prompts whose answers are judged between two heartbeats, and under one limit of time, which has its price. */
const TOGETHER = 32;

export function programLabeler(name: string, rule: Rule): Labeler {
  const judgeOne = ({ prompt, answers }: Candidates) => answers.map(rule(prompt));
  return {
    name,
    check: (prompt) => void rule(prompt),
    async judge(prompts, { signal }) {
      const verdicts: Verdict[][] = [];
      // Checking many long answers takes a while: the worker must get to its heartbeats.
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

/** None where the limit is reached: it may be one of them, which has to be found, or all together. */
function judgeTogether(judgeAll: () => Verdict[][]): Verdict[][] | undefined {
  try {
    return withinTime(judgeAll);
  } catch (error) {
    if (isOfPattern(error)) return undefined;
    throw error;
  }
}

/** V8 compiles an expression when it is first used, and keeps alternatives to try: both have limits. */
const isOfPattern = (error: unknown) =>
  error instanceof TimeLimitReached || error instanceof RangeError || error instanceof SyntaxError;

/**
 * Applies a rule, which may have patterns of the user's.
 * @param what begins the error's sentence
 * @throws InputError where it takes too much time, or memory
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
