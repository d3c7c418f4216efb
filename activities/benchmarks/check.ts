/** Checks a benchmark before anything is computed: its files, and whether its prompts fit the model's context. */
import type { Benchmark } from '../../config/benchmarks.ts';
import { InputError } from '../../data/errors.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import type { ModelConfig } from '../../engine/model-files/config.ts';
import { LengthCheck, benchmarkLimit } from '../prompts/limits.ts';
import { PromptReader, type PromptTokenizer } from '../prompts/reader.ts';
import { readInputs } from './index.ts';

/** What a policy's prompts are checked with. */
interface CheckedPolicy {
  tokenizer: PromptTokenizer;
  config: ModelConfig;
}

/**
 * Checks a benchmark.
 * @param policy absent: only its files are checked
 * @throws InputError that names the benchmark
 */
export async function checkBenchmark(
  benchmark: Benchmark,
  policy: CheckedPolicy | undefined,
  options: CallOptions,
): Promise<void> {
  const { name } = benchmark;
  const prompts = await readInputs(benchmark).catch((error: unknown) => {
    throw error instanceof InputError ? new InputError(`The benchmark ${name} cannot run: ${error.message}`) : error;
  });
  if (!policy || !('maxNewTokens' in benchmark)) return;
  const limit = new LengthCheck(benchmarkLimit(policy.config, name, benchmark.maxNewTokens));
  const reader = new PromptReader(policy.tokenizer, prompts.length, options);
  for (const [i, prompt] of prompts.entries()) {
    const { length, place } = await reader.read(prompt, i, name);
    limit.refuses(length, place);
  }
  if (limit.found === undefined) return;
  throw new InputError(
    `The benchmark ${name} cannot run: ${limit.found}: lower maxNewTokens of ${name} in evaluate.benchmarks, or remove the benchmark.`,
  );
}
