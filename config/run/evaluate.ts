/** The section `evaluate` of a run: how the policy is measured after a round, and the gate. */
import { z } from 'zod';
import { divergenceSchema, samplingSchema } from '../../engine/protocol/settings.ts';
import { labelSchema } from '../../labelers/index.ts';
import { shardSize } from './sample.ts';

/** What `evaluate` has in a run and on the command line. */
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
      'Maximum KL divergence from the reference policy, in nats per response: of sampled responses where ' +
        '`evaluate.klSamples` is set, else of the greedy responses.',
    ),
  maxLengthGrowth: z
    .number()
    .positive()
    .optional()
    .describe("Maximum mean length of the responses in tokens, as a multiple of the reference policy's."),
  minSecondJudgeWinRate: winRate
    .optional()
    .describe('Minimum win rate over the reference policy by `evaluate.secondJudge`, 0 to 1.'),
  onFail: z
    .enum(['continue', 'stop'])
    .default('continue')
    .describe(
      'After a round that is not accepted, and so rolled back: `continue` starts the next round from the last ' +
        'accepted policy, `stop` stops the run.',
    ),
});

export const evaluateSchema = z
  .strictObject({
    ...measuringSchema.shape,
    shardSize,
    secondJudge: labelSchema
      .optional()
      .describe(
        'A second labeler that scores the responses to held-out prompts and is never used for training: ' +
          'it detects reward hacking.',
      ),
    gate: gateSchema.prefault({}).describe('What a round must reach for its policy to be accepted.'),
  })
  .refine(({ gate, secondJudge }) => gate.minSecondJudgeWinRate === undefined || secondJudge !== undefined, {
    path: ['gate', 'minSecondJudgeWinRate'],
    error: 'evaluate.secondJudge is missing, give it or remove this setting',
  });
