/** All labelers by name, except `combine`, which combines them. */
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
