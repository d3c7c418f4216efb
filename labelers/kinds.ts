/** All labelers by name, except `combine`, which combines them. */
import { z } from 'zod';
import { finalAnswer } from './final-answer.ts';
import { judge } from './judge/judge.ts';
import { jsonSchema } from './json-schema.ts';
import { module } from './module.ts';
import { pairrm } from './pairrm.ts';
import { regex } from './regex.ts';
import { rewardModel } from './reward-model.ts';
import { verifier } from './verifier/verifier.ts';

/** The labelers that are programs: all that they need is in their settings and the prompts. */
export const programs = { verifier, 'final-answer': finalAnswer, regex, 'json-schema': jsonSchema };

export const kinds = {
  ...programs,
  module,
  'reward-model': rewardModel,
  pairrm,
  judge,
};

/**
 * Schema of the settings of one of several labelers, discriminated by name.
 * @param names the labelers' names, which the error for another name lists
 */
export const settingsUnion = <Schema extends z.ZodObject>(names: string[], [first, ...others]: Schema[]) =>
  z.discriminatedUnion('by', [first, ...others], {
    error: ({ code }) =>
      code === 'invalid_union' ? `expected one of ${names.map((name) => `"${name}"`).join('|')}` : undefined,
  });
