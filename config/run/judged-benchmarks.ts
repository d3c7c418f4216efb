/** Settings of the benchmarks that a language model judges: MT-Bench and AlpacaEval 2. */
import { z } from 'zod';
import { judge } from '../../labelers/judge/judge.ts';
import { requestSettings, serverAddress } from '../../openai/client/settings.ts';
import {
  ALPACA_EVAL_DATA,
  ALPACA_EVAL_TEMPERATURE,
  ALPACA_EVAL_TOKENS,
  MT_BENCH_TOKENS,
  OPENAI_ANNOTATOR,
  OPENAI_JUDGE,
} from '../benchmarks.ts';

/** `limit` of all benchmarks that have prompts. */
export const limit = z
  .int()
  .positive()
  .optional()
  .describe('Only the first prompts, for a trial: the figures are then not those of the benchmark. Default: all.');

const tokens = (what: string, byDefault: number, source: string) =>
  z
    .int()
    .positive()
    .optional()
    .describe(`Maximum length of ${what}, in tokens. Default: ${byDefault}, as in ${source}.`);

const { server, model, maxTokens } = judge.schema.shape;

const judgeSchema = z.strictObject({ server, model, maxTokens, ...requestSettings });

export const mtBenchSchema = z
  .strictObject({
    judge: judgeSchema
      .optional()
      .describe(
        `The judge, with FastChat's prompts for single-answer grading. Default: \`${OPENAI_JUDGE.model}\` on ${OPENAI_JUDGE.server}.`,
      ),
    questions: z.string().optional().describe("Questions in FastChat's format. Default: the 80 published ones."),
    references: z
      .string()
      .optional()
      .describe(
        "Reference answers to questions on math, reasoning and coding, in FastChat's format. Default: the published ones, of GPT-4.",
      ),
    maxNewTokens: tokens('an answer to a turn', MT_BENCH_TOKENS, 'FastChat'),
    limit,
  })
  .describe('MT-Bench (arXiv 2306.05685): two-turn answers, each rated from 1 to 10.');

const annotatorSchema = z.strictObject({
  config: z
    .string()
    .regex(/^[\w.-]+$/, { error: 'expected the name of an annotator, such as weighted_alpaca_eval_gpt4_turbo' })
    .optional()
    .describe(`Name of one of alpaca_eval's annotators. Default: \`${OPENAI_ANNOTATOR.config}\`, AlpacaEval 2's.`),
  model: z
    .string()
    .min(1)
    .optional()
    .describe("The model's name on `server`. Default: that of the annotator, `gpt-4-1106-preview` for AlpacaEval 2's."),
  server: serverAddress
    .optional()
    .describe(
      `Base URL of an OpenAI-compatible server. AlpacaEval 2's annotator needs log-probabilities from it. Default: ${OPENAI_ANNOTATOR.server}.`,
    ),
  ...requestSettings,
});

export const alpacaEvalSchema = z
  .strictObject({
    annotator: annotatorSchema.optional().describe('What compares the responses with the outputs of the baseline.'),
    data: z
      .string()
      .optional()
      .describe(
        'A folder or a hub data set with `alpaca_eval_gpt4_baseline.json` (the instructions, and the outputs of the baseline) and ' +
          `\`df_gamed.csv\` (for the length-controlled win rate). Default: \`${ALPACA_EVAL_DATA}\`.`,
      ),
    temperature: z
      .number()
      .min(0)
      .optional()
      .describe(`Sampling temperature of the responses. Default: ${ALPACA_EVAL_TEMPERATURE}.`),
    maxNewTokens: tokens('a response', ALPACA_EVAL_TOKENS, "alpaca_eval's settings of zephyr-7b-beta"),
    limit,
  })
  .describe(
    'AlpacaEval 2 (arXiv 2404.04475): length-controlled and raw win rates over the baseline, by the package alpaca_eval.',
  );
