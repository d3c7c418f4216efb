/** benchmark-lm-eval: lm-evaluation-harness as it is, against a server with the policy: the engine's, or the worker's own vLLM. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Address } from '../../artifacts/manifest.ts';
import { listFiles } from '../../artifacts/files.ts';
import { hashValue } from '../../artifacts/hash.ts';
import type { LmEvalBenchmark, LmEvalTask } from '../../config/benchmarks.ts';
import { InputError, oneSentence } from '../../data/errors.ts';
import { contextLength, readModelConfig } from '../../engine/model-files/config.ts';
import type { CallOptions, Engine, Policy } from '../../engine/protocol/jobs.ts';
import type { VllmSettings } from '../../engine/vllm/spec.ts';
import { withServedPolicy, type PolicyServer } from '../../openai/server/serve-policy.ts';
import { openPolicyArtifact } from '../policy.ts';
import { policyOnOwnVllm, vllmOf } from '../sampling-vllm.ts';
import { defineStep, type StepContext } from '../step.ts';
import type { BenchmarkInput, BenchmarkKind } from './benchmark.ts';
import { takeResults } from './lm-eval-results.ts';
import { programEnvironment } from './program-environment.ts';
import { runProgram } from './python-program.ts';

/** lm-evaluation-harness failed for a reason that a retry may mend. */
class HarnessFailed extends Error {
  override readonly name = 'HarnessFailed';
}

/** Errors that another attempt would meet again. */
const OF_THE_INPUT = /Tasks not found|No module named/;

/** Requests to the engine at a time, and prompts in a request: as many sequences as it decodes together by default. */
const ENGINE_LOAD = { concurrency: 8, batchSize: 4 };
/** A slow machine answers the last of many requests late. The engine and vLLM are watched, so that requests may wait. */
const REQUEST_SECONDS = 3600;

interface Served extends PolicyServer {
  concurrency: number;
  batchSize: number;
  /** Aborted when the server has died. */
  died?: AbortSignal;
}

const measure = defineStep({
  name: 'benchmark-lm-eval',
  kind: 'benchmark',
  reproducible: false,
  recipe: async ({ benchmark, policy, threads, vllm }: BenchmarkInput<'lm-eval'>, context) => {
    const { includePath, tasks, limit, maxLength } = benchmark;
    return {
      parameters: {
        tasks,
        limit,
        maxLength,
        lmEval: programEnvironment('lm-eval').version,
        ...(includePath !== undefined && { includes: await hashOf(includePath) }),
        ...(vllm
          ? { vllm: await vllmOf(context).version(vllm) }
          : { threads, backend: await context.engine.version({ threads }) }),
      },
      inputs: { policy },
      seed: 0,
    };
  },
  run: async (_recipe, { input: { benchmark, policy: address, threads, vllm }, context, folder, key, options }) => {
    const { policy } = await openPolicyArtifact(context.store, address);
    const maxLength = Math.min(benchmark.maxLength, contextLength(readModelConfig(policy.model)));
    const scratch = join(context.cacheFolder, 'lm-eval', key);
    await mkdir(scratch, { recursive: true });
    const groups = groupsOf(benchmark.tasks);
    const rows = await withServer(context, { address, policy, threads, vllm, maxLength }, options, async (served) => {
      const done = [];
      for (const [i, group] of groups.entries()) {
        const part = { ...benchmark, ...group, maxLength, number: i + 1, tokenizer: policy.model, scratch };
        await runHarness(part, served, options, (made, total) =>
          options.onProgress?.({ done: made, total, unit: 'requests', tokens: 0 }),
        );
        done.push(...(await takeResults(join(scratch, `out-${i + 1}`), folder, i + 1)));
      }
      return done;
    });
    await rm(scratch, { recursive: true, force: true });
    return { benchmark: 'lm-eval', rows };
  },
});

export const lmEval: BenchmarkKind<'lm-eval'> = {
  async readInputs({ includePath }) {
    if (includePath !== undefined) await hashOf(includePath);
    return [];
  },
  measure,
};

interface Group {
  names: string[];
  numFewshot?: number;
}

/** The tasks by their number of examples, which lm-evaluation-harness takes once for all tasks of a call. */
function groupsOf(tasks: LmEvalTask[]): Group[] {
  const counts = [...new Set(tasks.map(({ numFewshot }) => numFewshot))];
  return counts.map((numFewshot) => ({
    names: tasks.filter((task) => task.numFewshot === numFewshot).map(({ task }) => task),
    ...(numFewshot !== undefined && { numFewshot }),
  }));
}

interface ToServe {
  address: Address;
  policy: Policy;
  threads: number;
  vllm?: VllmSettings | undefined;
  maxLength: number;
}

/** A hash of a folder with tasks. Python writes beside them. */
async function hashOf(folder: string): Promise<string> {
  try {
    return hashValue((await listFiles(folder)).filter(({ path }) => !path.includes('__pycache__')));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(`The folder ${folder} cannot be read (${code}): change includePath in evaluate.benchmarks.`);
  }
}

/** Serves the policy while `work` runs: by the engine, or by the worker's own vLLM if the run samples by it. */
async function withServer<T>(
  context: StepContext,
  { address, policy, threads, vllm, maxLength }: ToServe,
  options: CallOptions,
  work: (served: Served) => Promise<T>,
): Promise<T> {
  if (!vllm)
    return withServedPolicy(policy, withThreads(context.engine, threads), (served) =>
      work({ ...served, ...ENGINE_LOAD }),
    );
  const toServe = { address, policy, tokens: maxLength };
  const own = await policyOnOwnVllm(vllmOf(context), context.store, toServe, vllm, options);
  const { serving, client, load, signal } = own;
  await load?.(signal);
  return work({ ...serving, model: client.model, batchSize: 1 });
}

const withThreads = (engine: Engine, threads: number): Engine => ({
  ...engine,
  run: (method, job, options) => engine.run(method, { ...job, threads }, options),
});

interface Part extends Pick<LmEvalBenchmark, 'includePath' | 'limit' | 'maxLength'>, Group {
  number: number;
  /** The folder of the policy's tokenizer. */
  tokenizer: string;
  scratch: string;
}

/** Runs a group of tasks. Answers are kept in `scratch`, so that the next attempt on this machine goes on from there. */
async function runHarness(
  { names, numFewshot, includePath, limit, maxLength, number, tokenizer, scratch }: Part,
  { url, key, model, concurrency, batchSize, died }: Served,
  { signal: cancelled }: CallOptions,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const out = join(scratch, `out-${number}`);
  await rm(out, { recursive: true, force: true });
  const modelArguments = Object.entries({
    model,
    base_url: `${url}/completions`,
    tokenizer,
    tokenizer_backend: 'huggingface',
    num_concurrent: concurrency,
    max_length: maxLength,
    timeout: REQUEST_SECONDS,
  });
  const flags = Object.entries({
    model: 'local-completions',
    model_args: modelArguments.map((pair) => pair.join('=')).join(','),
    batch_size: batchSize,
    tasks: names.join(','),
    num_fewshot: numFewshot,
    include_path: includePath,
    limit,
    use_cache: join(scratch, `answers-${number}`),
    output_path: out,
  });
  const given = flags.flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}`, String(value)]));
  const command = [programEnvironment('lm-eval').python, '-m', 'lm_eval', ...given, '--log_samples'];
  const signals = [cancelled, died].filter((signal) => signal !== undefined);
  await runProgram(command, {
    // The key is not an argument, because other users of the machine can read those.
    env: { ...process.env, OPENAI_API_KEY: key.reveal(), TOKENIZERS_PARALLELISM: 'false' },
    signal: AbortSignal.any(signals),
    onOutput: (text) => {
      const [, done, total] = [...text.matchAll(/Requesting API:.*?(\d+)\/(\d+) \[/g)].at(-1) ?? [];
      if (total !== undefined) onProgress(Number(done), Number(total));
    },
    explain: (reason) => failure(names, reason),
  });
}

function failure(names: string[], reason: string): Error {
  const message = `lm-evaluation-harness failed on ${names.join(', ')} (${reason})`;
  return OF_THE_INPUT.test(reason)
    ? new InputError(`${message}: change evaluate.benchmarks, or skip it with selm skip.`)
    : new HarnessFailed(
        oneSentence(
          `${message}: check that the worker reaches the task's data set (HF_ENDPOINT, HF_HOME), or skip it with selm skip.`,
        ),
      );
}
