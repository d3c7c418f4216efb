/** The sections `prompts` and `chatTemplate` of a run: its prompts, and how conversations become text. */
import { z } from 'zod';

export const promptsSchema = z.strictObject({
  train: z
    .string()
    .describe(
      'Training prompts: a JSON Lines or Parquet file, or a hub data set `org/name[/config][:split]`. ' +
        'Duplicates, and prompts that are also held out, are dropped and counted.',
    ),
  heldOut: z
    .union([z.string(), z.int().positive()], { error: 'expected a file, a hub data set, or a number of prompts' })
    .describe('Prompts for evaluation only: a file, a hub data set, or the number of prompts to hold out of `train`.'),
  perRound: z
    .int()
    .positive()
    .optional()
    .describe(
      'Prompts per round. Each prompt is used in one round only. Default: the rounds share the training prompts equally.',
    ),
  tooLong: z
    .enum(['drop', 'fail'])
    .default('drop')
    .describe(
      'What to do with a prompt that exceeds `sample.maxPromptLength`, `optimize.maxPromptLength` or `optimize.maxLength`, ' +
        "or that does not fit into the model's context together with a response of maximum length: `drop` drops and " +
        'counts it, `fail` fails the run before any computation.',
    ),
});

export const chatTemplateSchema = z
  .strictObject({
    file: z.string().optional().describe("File with a Jinja template that replaces the model's."),
    template: z.string().optional().describe('The text of the template, instead of `file`.'),
    arguments: z
      .record(z.string(), z.json())
      .optional()
      .describe('Variables of the template, such as `enable_thinking: false`.'),
  })
  .refine(({ file, template }) => file === undefined || template === undefined, {
    path: ['template'],
    error: 'file is given as well, remove one of the two',
  });
