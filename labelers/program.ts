/** Labelers that are a rule: a program that looks at one answer after the other. */
import { setImmediate } from 'node:timers/promises';
import type { PromptRecord } from '../data/records.ts';
import type { Labeler, Verdict } from './labeler.ts';

/** Reads what a prompt asks for. @throws InputError when it asks for nothing that the rule knows */
export type Rule = (prompt: PromptRecord) => (answer: string) => Verdict;

export function programLabeler(name: string, rule: Rule): Labeler {
  return {
    name,
    check: (prompt) => void rule(prompt),
    async judge(prompts, { signal }) {
      const verdicts: Verdict[][] = [];
      for (const { prompt, answers } of prompts) {
        verdicts.push(answers.map(rule(prompt)));
        // Checking many long answers takes a while: the worker must get to its heartbeats.
        await setImmediate();
        signal?.throwIfAborted();
      }
      return { verdicts };
    },
  };
}
