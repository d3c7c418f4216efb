/** Checks a benchmark before anything is computed: its files, and whether its prompts fit the model's context. */
import type { Benchmark } from '../../config/benchmarks.ts';
import { InputError } from '../../data/errors.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import type { ModelConfig } from '../../engine/model-files/config.ts';
import { PromptKeys, type BenchmarkPrompts } from '../prompts/keys.ts';
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
 * @returns its prompts, with which training prompts are compared; none without a policy, or for lm-eval, which has its own
 * @throws InputError that names the benchmark
 */
export async function checkBenchmark(
  benchmark: Benchmark,
  policy: CheckedPolicy | undefined,
  options: CallOptions,
): Promise<BenchmarkPrompts> {
  const { name } = benchmark;
  const prompts = await readInputs(benchmark).catch((error: unknown) => {
    throw error instanceof InputError ? new InputError(`The benchmark ${name} cannot run: ${error.message}`) : error;
  });
  const keys = new PromptKeys();
  if (!policy || !('maxNewTokens' in benchmark)) return { name, keys };
  const limit = new LengthCheck(benchmarkLimit(policy.config, name, benchmark.maxNewTokens));
  const reader = new PromptReader(policy.tokenizer, prompts.length, options);
  for (const [i, prompt] of prompts.entries()) {
    const read = await reader.read(prompt, i, name);
    keys.add(read);
    limit.refuses(read.length, read.place);
  }
  if (limit.found === undefined) return { name, keys };
  throw new InputError(
    `The benchmark ${name} cannot run: ${limit.found}: lower maxNewTokens of ${name} in evaluate.benchmarks, or remove the benchmark.`,
  );
}
