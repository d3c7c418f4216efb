/**
 * What training does not aim at: IFBench (arXiv 2507.02833), whose instructions are of other kinds than IFEval's and are checked by its
 * authors' program, and tasks of lm-evaluation-harness.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { benchmark } from '../../activities/benchmarks/index.ts';
import { importPrompts } from '../../activities/prompts/stored.ts';
import { readShards } from '../../activities/sample.ts';
import type { StepContext } from '../../activities/step.ts';
import type { Address } from '../../artifacts/manifest.ts';
import { benchmarkOf } from '../../config/benchmarks.ts';
import type { RunConfig } from '../../config/run.ts';
import { InputError } from '../../data/errors.ts';
import type { BenchmarkRow } from '../../evaluation/benchmarks/result.ts';
import type { Unseen } from './results.ts';
import { answerGreedily } from './rounds.ts';

/** A Python interpreter with the package ifbench, which is not on PyPI. */
const PYTHON = 'SELM_IFBENCH_PYTHON';
const SCRIPT = fileURLToPath(new URL('run_ifbench.py', import.meta.url));

/** A part of these measures. */
export type UnseenPart = keyof Unseen;

/** Questions of each task of lm-evaluation-harness: the first ones. */
export const QUESTIONS = 200;
const LM_EVAL = benchmarkOf({ 'lm-eval': { tasks: ['gsm8k', 'truthfulqa_mc2'], limit: QUESTIONS } });

/** Measures a policy. @param parts what is measured @throws InputError when a program is not installed */
export async function measureUnseen(
  context: StepContext,
  config: RunConfig,
  policy: Address,
  parts: UnseenPart[],
): Promise<Unseen> {
  return {
    ...(parts.includes('ifbench') && { ifbench: await ifbenchPasses(context, config, policy) }),
    ...(parts.includes('lmEval') && { lmEval: await lmEvalRows(context, config, policy) }),
  };
}

async function lmEvalRows(context: StepContext, { threads }: RunConfig, policy: Address): Promise<BenchmarkRow[]> {
  const { summary } = await benchmark(context, { benchmark: LM_EVAL, policy, responses: [], seed: 0, threads }, {});
  return summary.rows;
}

/** Which greedy responses follow all instructions of their prompts: 1 or 0 for each prompt. */
async function ifbenchPasses(context: StepContext, config: RunConfig, policy: Address): Promise<string> {
  const prompts = runIfbench('prompts').map((line, i) => ({ id: String(i), prompt: JSON.parse(line) as string }));
  const { address } = await importPrompts(context, { count: prompts.length, records: () => prompts }, {});
  const responses = await answerGreedily(context, config, policy, { address, count: prompts.length });
  const rows = await readShards(context.store, responses);
  return runIfbench('check', rows.map(({ responses: [{ text }] }) => `${JSON.stringify(text)}\n`).join('')).join('');
}

/** Runs run_ifbench.py. @returns its lines */
function runIfbench(mode: 'prompts' | 'check', input = ''): string[] {
  const python = process.env[PYTHON];
  if (python === undefined) {
    throw new InputError(
      `${PYTHON} is not set: give a Python interpreter with IFBench (pip install git+https://github.com/allenai/IFBench).`,
    );
  }
  const stdio = ['pipe', 'pipe', 'inherit'] as const;
  return execFileSync(python, [SCRIPT, mode], { input, stdio: [...stdio], encoding: 'utf8' })
    .trimEnd()
    .split('\n');
}
