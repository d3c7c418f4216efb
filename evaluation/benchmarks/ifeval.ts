/** IFEval as a benchmark: its prompts, and its figures by the names of lm-evaluation-harness. */
import { fileURLToPath } from 'node:url';
import type { PromptRecord } from '../../data/records.ts';
import { ifevalAccuracies, type Accuracy } from '../../labelers/verifier/accuracy.ts';
import { errorOfShare, type BenchmarkResult, type BenchmarkRow } from './result.ts';

/** The file with IFEval's 541 prompts. */
export const IFEVAL_PROMPTS = fileURLToPath(new URL('../../examples/ifeval/prompts.jsonl', import.meta.url));

/** The four accuracies. @param responses one per prompt, in order */
export function ifevalResult(prompts: PromptRecord[], responses: string[]): BenchmarkResult {
  const { prompts: count, instructions, strict, loose } = ifevalAccuracies(prompts, responses);
  const rowsOf = (name: string, { promptLevel, instructionLevel }: Accuracy): BenchmarkRow[] => [
    {
      task: 'ifeval',
      metric: `prompt_level_${name}_acc`,
      value: promptLevel,
      error: errorOfShare(promptLevel, count),
      count,
    },
    // The instructions of a prompt are not independent, so that lm-evaluation-harness gives no error either.
    { task: 'ifeval', metric: `inst_level_${name}_acc`, value: instructionLevel, count: instructions },
  ];
  return { benchmark: 'ifeval', rows: [...rowsOf('strict', strict), ...rowsOf('loose', loose)] };
}
