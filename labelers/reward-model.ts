/** The labeler that scores every answer by itself with a reward model. */
import { z } from 'zod';
import { MODEL_OR_ONNX_FILE } from '../data/hub.ts';
import { labelerKind } from './labeler.ts';
import { openLabelerModel } from './model.ts';

export const rewardModel = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('reward-model'),
      model: z
        .string()
        .describe(
          'The reward model: a sequence classifier of the Llama family with one label, or a folder with `model.onnx` and `tokenizer.json`; a folder, or a hub id `org/name[@revision]`.',
        ),
      tooLong: z
        .enum(['cut', 'unjudged'])
        .optional()
        .describe(
          'Answers that are longer than the model reads: it judges their beginning (`cut`), or they have no judgement (`unjudged`). They have none either where the prompt alone is too long. Default: cut.',
        ),
    })
    .describe('Scores every answer with a reward model.'),
  locate: (settings, { model }) => ({ ...settings, model: model(settings.model) }),
  async create({ model, tooLong }, { engine, threads }) {
    const { identity, folder } = await openLabelerModel(model, MODEL_OR_ONNX_FILE);
    return {
      name: 'reward-model',
      identity,
      async judge(prompts, options) {
        const rows = prompts.map(({ prompt: { id, prompt }, answers }) => ({ id, prompt, answers }));
        const { scores, cut } = await engine.run(
          'reward',
          { model: await folder(), rows, ...(tooLong && { tooLong }), threads },
          options,
        );
        const unread = scores.flat().filter((score) => score === undefined).length;
        return {
          verdicts: scores.map((row) => row.map((score) => ({ score }))),
          counts: { ...(cut > 0 && { cut }), ...(unread > 0 && { tooLong: unread }) },
        };
      },
    };
  },
});
