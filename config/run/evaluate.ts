/** The section `evaluate` of a run: how the policy is evaluated after a round, and the gate. */
import { z } from 'zod';
import { divergenceSchema, samplingSchema } from '../../engine/protocol/settings.ts';
import { labelSchema } from '../../labelers/index.ts';
import { benchmarksFields } from './benchmarks.ts';
import { shardSize } from './sample.ts';

/** Settings of `evaluate` in a run and on the command line. */
export const measuringSchema = samplingSchema
  .pick({ maxNewTokens: true, batchSize: true })
  .extend(divergenceSchema.shape);

const winRate = z.number().min(0).max(1);

const gateSchema = z.strictObject({
  minWinRate: winRate
    .optional()
    .describe('Minimum win rate over the reference policy, 0 to 1. Default: every round is accepted.'),
  maxKl: z
    .number()
    .positive()
    .optional()
    .describe(
      'Maximum KL divergence from the reference policy, in nats per response. It is measured along sampled responses if ' +
        '`evaluate.klSamples` is set, otherwise along the greedy responses.',
    ),
  maxLengthGrowth: z
    .number()
    .positive()
    .optional()
    .describe("Maximum mean length of the responses in tokens, divided by the reference policy's mean length."),
  minSecondJudgeWinRate: winRate
    .optional()
    .describe('Minimum win rate over the reference policy by `evaluate.secondJudge`, 0 to 1.'),
  onFail: z
    .enum(['continue', 'stop'])
    .default('continue')
    .describe(
      'What to do after a round that is not accepted and is rolled back: `continue` starts the next round from the ' +
        'last accepted policy, `stop` stops the run.',
    ),
});

export const evaluateSchema = z
  .strictObject({
    ...measuringSchema.shape,
    shardSize,
    labeler: labelSchema
      .optional()
      .describe(
        "The labeler that scores the responses to held-out prompts. Default: the run's labeler (`label`; with `by: people`: " +
          '`label.otherwise`).',
      ),
    secondJudge: labelSchema
      .optional()
      .describe(
        'A second labeler that scores the responses to held-out prompts. Training never uses its scores, so it can ' +
          'detect reward hacking.',
      ),
    ...benchmarksFields.shape,
    gate: gateSchema.prefault({}).describe('Conditions for accepting the policy of a round.'),
  })
  .refine(({ benchmarks, benchmarksWhen }) => benchmarks !== undefined || benchmarksWhen === undefined, {
    path: ['benchmarksWhen'],
    error: 'there are no evaluate.benchmarks, give them or remove this setting',
  })
  .refine(({ gate, secondJudge }) => gate.minSecondJudgeWinRate === undefined || secondJudge !== undefined, {
    path: ['gate', 'minSecondJudgeWinRate'],
    error: 'evaluate.secondJudge is missing, give it or remove this setting',
  });
