/** The labeler that scores each response separately with a reward model. */
import { z } from 'zod';
import { HUB_MODEL_OR_ONNX_FILES } from '../data/model-files.ts';
import type { Scores } from '../engine/protocol/jobs.ts';
import { requestSettings, serverAddress } from '../openai/client/settings.ts';
import { labelerKind } from './labeler.ts';
import { openLabelerModel } from './model.ts';
import { scoreOnServer } from './reward-server.ts';

/** The score is the output of the reward model. */
export const rewardModel = labelerKind({
  schema: z
    .strictObject({
      by: z.literal('reward-model'),
      model: z
        .string()
        .describe(
          'The reward model: a folder or a hub id `org/name[@revision]`. It must be a sequence classifier of the Llama family with ' +
            'one label, or an export with `model.onnx` and `tokenizer.json`.',
        ),
      server: z
        .strictObject({
          url: serverAddress.describe('Address of the vLLM server.'),
          model: z.string().min(1).optional().describe("The model's name on the server. Default: `label.model`."),
          ...requestSettings,
        })
        .optional()
        .describe(
          'A vLLM server that computes the scores (`/classify`) instead of the engine: `vllm serve MODEL --runner pooling`. selm reads ' +
            'the tokenizer, the chat template and the context from `model`, and takes the raw outputs.',
        ),
      tooLong: z
        .enum(['cut', 'unjudged'])
        .optional()
        .describe(
          "What to do with responses that exceed the model's context: `cut` scores their beginning, `unjudged` gives them no score. " +
            'If the prompt alone is too long, they have no score in either case. Default: cut.',
        ),
    })
    .describe('Scores each response with a reward model.'),
  locate: (settings, { model }) => ({ ...settings, model: model(settings.model) }),
  async create({ model, tooLong, server }, { engine, models, compute: { threads } }) {
    const { identity, folder } = await openLabelerModel(model, { models }, HUB_MODEL_OR_ONNX_FILES);
    return {
      name: 'reward-model',
      identity,
      async judge(prompts, options) {
        const rows = prompts.map(({ prompt: { id, prompt }, answers }) => ({ id, prompt, answers }));
        const job = { model: await folder(), rows, ...(tooLong && { tooLong }) };
        const { scores, cut }: Scores = server
          ? await scoreOnServer({ ...server, model: server.model ?? model }, job, options)
          : await engine.run('reward', { ...job, threads }, options);
        const unread = scores.flat().filter((score) => score === undefined).length;
        return {
          verdicts: scores.map((row) => row.map((score) => ({ score }))),
          counts: { ...(cut > 0 && { cut }), ...(unread > 0 && { tooLong: unread }) },
        };
      },
    };
  },
});
