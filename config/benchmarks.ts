/** The benchmarks of a run in one form, with their defaults. Workflows import this file: it loads no schema and no file. */
import type { ServerSettings } from '../openai/client/settings.ts';

/** The longest response to a prompt of IFEval, in tokens: that of lm-evaluation-harness. */
export const IFEVAL_TOKENS = 1280;
/** The longest sequence of lm-evaluation-harness, in tokens, where the model has a longer context. */
export const LM_EVAL_TOKENS = 4096;
/** Examples in a prompt of lm-evaluation-harness, by task, as in the Open LLM Leaderboard (version 1). */
export const LEADERBOARD_FEWSHOT: Record<string, number> = {
  arc_challenge: 25,
  hellaswag: 10,
  truthfulqa_mc2: 0,
  mmlu: 5,
  winogrande: 5,
  gsm8k: 5,
};

interface IfevalBenchmark {
  name: 'ifeval';
  /** The longest response, in tokens. */
  maxNewTokens: number;
  /** Only this many prompts, the first ones. */
  limit?: number;
}

/** A task of lm-evaluation-harness. */
export interface LmEvalTask {
  task: string;
  /** Examples in each prompt. Absent: the task's own number. */
  numFewshot?: number;
}

export interface LmEvalBenchmark {
  name: 'lm-eval';
  tasks: LmEvalTask[];
  /** A folder with tasks of one's own. */
  includePath?: string;
  /** Only this many questions of each task, the first ones. */
  limit?: number;
  /** The longest sequence, in tokens, if the model's context is not shorter. */
  maxLength: number;
}

type TaskEntry = string | { task: string; numFewshot?: number | undefined };

const OPENAI = 'https://api.openai.com/v1';

/** How requests are sent. */
type RequestSettings = Omit<ServerSettings, 'url' | 'model'>;

/** The judge of MT-Bench, as `selm mt-bench` takes it. */
interface MtBenchJudge extends RequestSettings {
  /** Absent for a model on the engine. */
  server?: string | undefined;
  model: string;
  maxTokens?: number | undefined;
}

/** The judge of FastChat. */
export const OPENAI_JUDGE = { server: OPENAI, model: 'gpt-4' };

/** The longest answer to a turn of MT-Bench, in tokens: FastChat's. */
export const MT_BENCH_TOKENS = 1024;

export interface MtBenchBenchmark {
  name: 'mt-bench';
  judge: MtBenchJudge;
  /** Files in FastChat's format, in place of the published ones. */
  questions?: string;
  references?: string;
  maxNewTokens: number;
  limit?: number;
}

/** An annotator of alpaca_eval. */
interface AnnotatorSettings extends RequestSettings {
  config?: string | undefined;
  /** In place of the model in the annotator's configuration. */
  model?: string | undefined;
  server?: string | undefined;
}

/** AlpacaEval 2's annotator. */
export const OPENAI_ANNOTATOR = { server: OPENAI, config: 'weighted_alpaca_eval_gpt4_turbo' };

export const ALPACA_EVAL_DATA = 'tatsu-lab/alpaca_eval';

/** alpaca_eval's settings of zephyr-7b-beta, in tokens and for sampling. The paper does not state its own. */
export const ALPACA_EVAL_TOKENS = 2048;
export const ALPACA_EVAL_TEMPERATURE = 0.7;

export interface AlpacaEvalBenchmark {
  name: 'alpaca-eval';
  annotator: AnnotatorSettings & { server: string; config: string };
  /** A folder or a hub data set with the baseline's outputs and the instructions' difficulties. */
  data: string;
  temperature: number;
  maxNewTokens: number;
  limit?: number;
}

/** A benchmark with its settings. */
export type Benchmark = IfevalBenchmark | LmEvalBenchmark | MtBenchBenchmark | AlpacaEvalBenchmark;

/** Settings as they are given: those with a default may be absent. */
type Given<B> = { [Key in Exclude<keyof B, 'name'>]?: B[Key] | undefined };

type GivenLmEval = TaskEntry[] | (Omit<Given<LmEvalBenchmark>, 'tasks'> & { tasks: TaskEntry[] });

type GivenAlpacaEval = Given<Omit<AlpacaEvalBenchmark, 'annotator'> & { annotator: AnnotatorSettings }>;

/** An entry of `evaluate.benchmarks`, as it is written. */
export type BenchmarkEntry =
  | Exclude<Benchmark['name'], 'lm-eval'>
  | { ifeval: Given<IfevalBenchmark> }
  | { 'lm-eval': GivenLmEval }
  | { 'mt-bench': Given<MtBenchBenchmark> }
  | { 'alpaca-eval': GivenAlpacaEval };

/** The benchmark that an entry of `evaluate.benchmarks` names. */
export function benchmarkOf(entry: BenchmarkEntry): Benchmark {
  if (entry === 'ifeval') return ifevalOf({});
  if (entry === 'mt-bench') return mtBenchOf({});
  if (entry === 'alpaca-eval') return alpacaEvalOf({});
  if ('ifeval' in entry) return ifevalOf(entry.ifeval);
  if ('mt-bench' in entry) return mtBenchOf(entry['mt-bench']);
  if ('alpaca-eval' in entry) return alpacaEvalOf(entry['alpaca-eval']);
  return lmEvalOf(entry['lm-eval']);
}

const ifevalOf = ({ maxNewTokens = IFEVAL_TOKENS, limit }: Given<IfevalBenchmark>): IfevalBenchmark => ({
  name: 'ifeval',
  maxNewTokens,
  ...(limit !== undefined && { limit }),
});

function lmEvalOf(given: GivenLmEval): LmEvalBenchmark {
  const { tasks, includePath, limit, maxLength = LM_EVAL_TOKENS } = Array.isArray(given) ? { tasks: given } : given;
  return {
    name: 'lm-eval',
    tasks: tasks.map(taskOf),
    ...(includePath !== undefined && { includePath }),
    ...(limit !== undefined && { limit }),
    maxLength,
  };
}

function taskOf(entry: TaskEntry): LmEvalTask {
  const { task, numFewshot = LEADERBOARD_FEWSHOT[task] } = typeof entry === 'string' ? { task: entry } : entry;
  return { task, ...(numFewshot !== undefined && { numFewshot }) };
}

const mtBenchOf = ({
  judge = OPENAI_JUDGE,
  questions,
  references,
  maxNewTokens = MT_BENCH_TOKENS,
  limit,
}: Given<MtBenchBenchmark>): MtBenchBenchmark => ({
  name: 'mt-bench',
  judge,
  ...(questions !== undefined && { questions }),
  ...(references !== undefined && { references }),
  maxNewTokens,
  ...(limit !== undefined && { limit }),
});

const alpacaEvalOf = ({
  annotator: { server = OPENAI_ANNOTATOR.server, config = OPENAI_ANNOTATOR.config, ...annotator } = {},
  data = ALPACA_EVAL_DATA,
  temperature = ALPACA_EVAL_TEMPERATURE,
  maxNewTokens = ALPACA_EVAL_TOKENS,
  limit,
}: GivenAlpacaEval): AlpacaEvalBenchmark => ({
  name: 'alpaca-eval',
  annotator: { server, config, ...annotator },
  data,
  temperature,
  maxNewTokens,
  ...(limit !== undefined && { limit }),
});
