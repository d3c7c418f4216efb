/** A judge that runs on this machine's engine. */
import { InputError } from '../../data/errors.ts';
import { Answers } from '../../endpoint/answers.ts';
import type { Engine, Policy } from '../../engine/jobs.ts';
import { RequestRefused } from '../../openai/errors.ts';
import type { Judge } from './judging.ts';

/**
 * What it is asked for at the same time is judged in batches.
 * @param name what judgements call it
 */
export function localJudge(name: string, policy: Policy, engine: Engine): Judge {
  const answers = new Answers(policy, engine);
  return {
    model: name,
    async chat(messages, { temperature, maxTokens }) {
      try {
        const wanted = { temperature, maxTokens, n: 1, topP: 1, seed: 0, stop: [], echo: false, scored: false };
        const [[{ text }]] = await answers.to([answers.encodeChat(messages)], wanted);
        return { text };
      } catch (error) {
        // It is about this one conversation, which is too long for the model, say.
        throw error instanceof InputError ? new RequestRefused(400, error.message) : error;
      }
    },
  };
}
