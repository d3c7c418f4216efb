/** The labeler that scores every response by itself with a reward model. */
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
          'The reward model, a folder or a hub id `org/name[@revision]`: a sequence classifier of the Llama family with one label, or an ' +
            'export with `model.onnx` and `tokenizer.json`.',
        ),
      tooLong: z
        .enum(['cut', 'unjudged'])
        .optional()
        .describe(
          'Responses that do not fit into the model: it scores their beginning (`cut`), or they have no score (`unjudged`). Where the ' +
            'prompt alone is too long, they have no score in both cases. Default: cut.',
        ),
    })
    .describe('Scores every response with a reward model.'),
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
