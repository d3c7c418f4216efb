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
    })
    .describe('Scores every answer with a reward model.'),
  locate: (settings, { model }) => ({ ...settings, model: model(settings.model) }),
  async create({ model }, { engine, threads }) {
    const { identity, folder } = await openLabelerModel(model, MODEL_OR_ONNX_FILE);
    return {
      name: 'reward-model',
      identity,
      async judge(prompts, options) {
        const rows = prompts.map(({ prompt: { prompt }, answers }) => ({ prompt, answers }));
        const rewards = await engine.run('reward', { model: await folder(), rows, threads }, options);
        return { verdicts: rewards.map((row) => row.map((score) => ({ score }))) };
      },
    };
  },
});
