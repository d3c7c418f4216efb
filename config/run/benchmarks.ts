/** The list `evaluate.benchmarks` of a run: evaluations outside its own held-out prompts. */
import { z } from 'zod';
import { benchmarkOf, IFEVAL_TOKENS, LEADERBOARD_FEWSHOT, LM_EVAL_TOKENS } from '../benchmarks.ts';
import { alpacaEvalSchema, limit, mtBenchSchema } from './judged-benchmarks.ts';

const ifevalSchema = z
  .strictObject({
    maxNewTokens: z
      .int()
      .positive()
      .optional()
      .describe(`Maximum length of a response, in tokens. Default: ${IFEVAL_TOKENS}, as in lm-evaluation-harness.`),
    limit,
  })
  .describe('IFEval (arXiv 2311.07911): strict and loose accuracy, by prompt and by instruction.');

// A comma would begin another task on the command line of lm-evaluation-harness.
const taskName = z.string().regex(/^[^,\s-][^,\s]*$/, 'expected the name of a task, without commas and white space');
const fewshotText = Object.entries(LEADERBOARD_FEWSHOT).map(([task, count]) => `${task} ${count}`);

const tasksSchema = z
  .array(z.union([taskName, z.strictObject({ task: taskName, numFewshot: z.int().min(0).optional() })]))
  .min(1)
  .describe(
    'Tasks by name, or `{ task, numFewshot }`. Default of `numFewshot`: as in the Open LLM Leaderboard ' +
      `(${fewshotText.join(', ')}), for all other tasks the number in the task's file.`,
  );

const lmEvalSchema = z
  .strictObject({
    tasks: tasksSchema,
    includePath: z.string().optional().describe('Folder with tasks of your own, which all workers can read.'),
    limit,
    maxLength: z
      .int()
      .positive()
      .optional()
      .describe(
        `Maximum length of a prompt with its response, in tokens; longer prompts lose their beginning. Default: ${LM_EVAL_TOKENS}, ` +
          "or the model's context if it is shorter.",
      ),
  })
  .describe('lm-evaluation-harness (`selm benchmarks install`).');

const entrySchema = z.union(
  [
    z.enum(['ifeval', 'mt-bench', 'alpaca-eval']),
    z.strictObject({ ifeval: ifevalSchema }),
    z.strictObject({ 'lm-eval': z.union([tasksSchema, lmEvalSchema]) }),
    z.strictObject({ 'mt-bench': mtBenchSchema }),
    z.strictObject({ 'alpaca-eval': alpacaEvalSchema }),
  ],
  { error: 'expected ifeval, mt-bench, alpaca-eval, one of these with settings, or { lm-eval: [TASK, …] }' },
);

export const benchmarksFields = z.object({
  benchmarks: z
    .array(entrySchema)
    .refine((entries) => new Set(entries.map((entry) => benchmarkOf(entry).name)).size === entries.length, {
      error: 'a benchmark is given twice, remove one of the two',
    })
    .optional()
    .describe(
      'Benchmarks of the start policy and of the policies that `benchmarksWhen` selects, by name or with settings: ' +
        '`[ifeval, { lm-eval: [gsm8k, hellaswag] }]`. [Benchmarks](benchmarks.md) describes them. Default: none.',
    ),
  benchmarksWhen: z
    .enum(['end', 'accepted', 'every-round'])
    .optional()
    .describe(
      'Policies that the benchmarks measure besides the start policy: the last accepted one (`end`), that of each accepted round ' +
        '(`accepted`), or that of each round, also of one that is rolled back (`every-round`). Default: `end`.',
    ),
});
