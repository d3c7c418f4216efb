/** The job `sample`. */
import { located } from '../../../data/errors.ts';
import { templateInputs } from '../../../data/template-inputs.ts';
import { JobAborted } from '../../protocol/errors.ts';
import type { NewTokens, ResponseDivergence, SampleJob, SampleResult } from '../../protocol/jobs.ts';
import { checkIds } from '../../tokens/checks.ts';
import type { TokenizedResponse } from '../../tokens/responses.ts';
import { DivergenceMeter } from '../divergence.ts';
import { Generator } from '../generation/generate.ts';
import { graphChoice } from '../generation/sampling.ts';
import type { PromptTokens } from '../generation/slots.ts';
import { openLlamaPolicy, type LlamaPolicy } from '../../tokens/policy.ts';
import { collectGarbage } from '../sessions.ts';
import { ALL_CORES, type JobContext } from './context.ts';

/** Prompts whose responses measure the divergence of 8-bit weights. A few: it takes two forward passes over their responses. */
const MEASURED_PROMPTS = 8;

/** `EngineMethods.sample`. */
export async function sample(job: SampleJob, { control, sessions }: JobContext): Promise<SampleResult> {
  const { policy, prompts, settings, seed, reportTokensEvery, threads = ALL_CORES } = job;
  const opened = openLlamaPolicy(policy);
  const tokenizer = opened.tokenizer();
  const generator = await sessions.get(
    'generator',
    JSON.stringify([policy, graphChoice(settings), threads]),
    async () => {
      // While weights are packed they are in memory twice. So no other session stays open.
      await sessions.clear();
      collectGarbage();
      return Generator.open(opened, settings, tokenizer.eosIds, threads);
    },
  );
  const tokenized = prompts.map((row) => ({
    id: row.id,
    tokens: located(`Prompt "${row.id}"`, () =>
      'prompt_input_ids' in row
        ? checkIds(opened.model, row.prompt_input_ids)
        : tokenizer.encodePrompt(row.prompt, templateInputs(row)),
    ),
  }));
  let sampledTokens = 0;
  const report = (done: number, tokens: number, newTokens: NewTokens[]) => {
    sampledTokens = tokens;
    const reported = reportTokensEvery !== undefined && { newTokens };
    control.onProgress({ done, total: prompts.length, unit: 'prompts', tokens, ...reported });
    if (control.aborted()) throw new JobAborted(`sampling was stopped after ${done} of ${prompts.length} prompts`);
  };
  const { isCancelled } = control;
  const generated = await generator.generate(tokenized, seed, report, {
    settings,
    runTokens: reportTokensEvery,
    isCancelled,
  });
  const divergence =
    settings.weights === 'q8'
      ? await quantizationDivergence(opened, measured(tokenized, generated), threads)
      : undefined;
  return {
    ...(divergence && { divergence }),
    responses: generated.map((samples, i) =>
      samples.map(({ tokens, logp, finishReason }) => ({
        text: tokenizer.decodeAnswer(tokenized[i].tokens, tokens),
        token_ids: tokens,
        finish_reason: finishReason,
        logp,
      })),
    ),
    promptIds: tokenized.map(({ tokens }) => tokens),
    sampledTokens,
  };
}

const measured = (prompts: PromptTokens[], samples: { tokens: number[] }[][]): TokenizedResponse[] =>
  prompts
    .slice(0, MEASURED_PROMPTS)
    .flatMap(({ tokens: prompt }, i) => samples[i].map(({ tokens: response }) => ({ prompt, response })));

/** KL(policy || the policy with 8-bit weights) over all tokens of the rows. */
async function quantizationDivergence(opened: LlamaPolicy, rows: TokenizedResponse[], threads: number) {
  const meter = await DivergenceMeter.openQuantized(opened, threads);
  try {
    const measures = await meter.measure(rows);
    const total = (of: keyof ResponseDivergence) => measures.reduce((sum, measure) => sum + measure[of], 0);
    return { klPerToken: total('kl') / total('tokens'), tokens: total('tokens') };
  } finally {
    await meter.close();
  }
}
