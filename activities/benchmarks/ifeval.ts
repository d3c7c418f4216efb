/** benchmark-ifeval: strict and loose accuracy of a policy's greedy responses to IFEval's prompts. */
import { readPrompts } from '../../data/prompts.ts';
import type { PromptRecord } from '../../data/records.ts';
import { IFEVAL_PROMPTS, ifevalResult } from '../../evaluation/benchmarks/ifeval.ts';
import { importPrompts } from '../prompts/stored.ts';
import { readShards } from '../sample.ts';
import { defineStep } from '../step.ts';
import type { BenchmarkInput, BenchmarkKind } from './benchmark.ts';

const measure = defineStep({
  name: 'benchmark-ifeval',
  kind: 'benchmark',
  reproducible: true,
  recipe: ({ responses }: BenchmarkInput<'ifeval'>) => ({ parameters: {}, inputs: { responses }, seed: 0 }),
  computedWith: () => undefined,
  run: async ({ inputs }, { context: { store }, folder }) => {
    const rows = await readShards(store, inputs.responses);
    const texts = rows.map(({ responses: [{ text }] }) => text);
    await folder.writeRows(
      'responses.jsonl',
      rows.map(({ key, prompt }, i) => ({ key, prompt, response: texts[i] })),
    );
    return ifevalResult(rows, texts);
  },
});

export const ifeval: BenchmarkKind<'ifeval'> = {
  readInputs,
  async turn(context, { benchmark }, options) {
    const prompts = await readInputs(benchmark);
    const { maxNewTokens } = benchmark;
    const { address } = await importPrompts(context, { count: prompts.length, records: () => prompts }, options);
    return { sets: [{ address, count: prompts.length, settings: { temperature: 0, maxNewTokens } }], more: false };
  },
  measure,
};

async function readInputs({ limit }: BenchmarkInput<'ifeval'>['benchmark']): Promise<PromptRecord[]> {
  return (await readPrompts(IFEVAL_PROMPTS)).slice(0, limit);
}
