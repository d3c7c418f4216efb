/** The labeler of the SELM paper: PairRM compares all pairs of responses to a prompt. */
import { z } from 'zod';
import { labelerKind } from './labeler.ts';
import { openLabelerModel } from './model.ts';

/** The scores are those of PairRM for the responses to one prompt. */
export const pairrm = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('pairrm'),
      model: z
        .string()
        .optional()
        .describe('The PairRM model: a folder or a hub id `org/name[@revision]`. Default: llm-blender/PairRM-hf.'),
    })
    .describe('Compares all pairs of responses to a prompt with PairRM, as the paper does.'),
  locate: (settings, { model }) => ({
    ...settings,
    ...(settings.model !== undefined && { model: model(settings.model) }),
  }),
  async create({ model = 'llm-blender/PairRM-hf' }, { engine, models, compute }) {
    const { identity, folder } = await openLabelerModel(model, { models });
    return {
      name: 'pairrm',
      identity,
      async judge(prompts, options) {
        const rows = prompts.map(({ prompt: { id, prompt }, answers }) => ({ id, prompt, answers }));
        const { scores, cut } = await engine.run('rank', { model: await folder(), rows, ...compute }, options);
        const pairs = prompts.reduce((total, { answers }) => total + answers.length * (answers.length - 1), 0);
        return {
          verdicts: scores.map((row) => row.map((score) => ({ score }))),
          counts: { pairs, ...(cut > 0 && { cut }) },
        };
      },
    };
  },
});
