/** lm-evaluation-harness for tests, in a separate Python environment without PyTorch. It is created once, in the cache. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pythonEnvironment } from '../../made-once.ts';

const run = promisify(execFile);
const VERSION = '0.4.13';
const fixtures = new URL('../../fixtures/harness/', import.meta.url).pathname;

/** The Python interpreter of the environment. The first call creates it: about a minute, 700 MB. */
export const harnessPython = async (): Promise<string> =>
  join(await pythonEnvironment(`lm-eval-${VERSION}`, `lm_eval[api]==${VERSION}`, 'transformers==5.24.0'), 'python');

export interface Outcome {
  /** The task's metrics by name. */
  figures: Record<string, number>;
  /** For each question and choice: the log-likelihood, and whether greedy decoding gives this choice. */
  responses: [number, boolean][][];
}

export interface Generated {
  figures: Record<string, number>;
  /** The response to each question, cut at the stop texts. */
  texts: string[];
}

/** Runs the multiple-choice task of test/fixtures/harness against the endpoint at `url`, in `folder`. */
export async function runHarness(python: string, url: string, model: string, folder: string): Promise<Outcome> {
  const { figures, responses } = await runTask(python, url, model, folder, {
    task: 'selm_choice',
    yaml: 'task.yaml',
    questions: 'questions.jsonl',
  });
  const choices = responses as [string, string | boolean][][][];
  return {
    figures,
    responses: choices.map((row) =>
      row.map(([[logp, greedy]]) => [Number(logp), String(greedy) === 'True' || greedy === true]),
    ),
  };
}

/** Runs the generation task of test/fixtures/harness. */
export async function runGeneration(python: string, url: string, model: string, folder: string): Promise<Generated> {
  const { figures, responses } = await runTask(python, url, model, folder, {
    task: 'selm_generation',
    yaml: 'generation.yaml',
    questions: 'generation.jsonl',
  });
  return { figures, texts: (responses as [[string]][]).map(([[text]]) => text) };
}

async function runTask(
  python: string,
  url: string,
  model: string,
  folder: string,
  { task, yaml, questions }: Record<'task' | 'yaml' | 'questions', string>,
): Promise<{ figures: Record<string, number>; responses: unknown[] }> {
  const tasks = join(folder, task);
  mkdirSync(tasks);
  const text = readFileSync(`${fixtures}${yaml}`, 'utf8').replace('test: QUESTIONS', `test: ${fixtures}${questions}`);
  writeFileSync(join(tasks, `${task}.yaml`), text);
  const out = join(folder, `${task}-out`);
  const modelArguments = `model=${model},base_url=${url}/v1/completions,tokenizer_backend=huggingface,num_concurrent=8,max_length=256`;
  await run(
    python,
    [
      '-m',
      'lm_eval',
      '--model',
      'local-completions',
      '--model_args',
      modelArguments,
      '--batch_size',
      '4',
      '--include_path',
      tasks,
      '--tasks',
      task,
      '--output_path',
      out,
      '--log_samples',
    ],
    { env: { ...process.env, HF_HUB_OFFLINE: '1', HF_HOME: join(folder, 'hf') }, maxBuffer: 2 ** 26 },
  );
  const files = (readdirSync(out, { recursive: true }) as string[]).map((name) => join(out, name));
  const content = (kind: string) =>
    readFileSync(
      files.find((name) => name.includes(`/${kind}_`))!,
      'utf8',
    );
  const { results } = JSON.parse(content('results')) as { results: Record<string, Record<string, unknown>> };
  const figures = Object.entries(results[task]).filter(([, value]) => typeof value === 'number');
  const samples = content('samples')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { doc_id: number; resps: unknown });
  return {
    figures: Object.fromEntries(figures) as Record<string, number>,
    responses: samples.toSorted((a, b) => a.doc_id - b.doc_id).map(({ resps }) => resps),
  };
}
