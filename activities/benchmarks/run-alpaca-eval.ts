/** Runs alpaca_eval as it is, in a folder of its own, with its annotator behind a caching proxy. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { z } from 'zod';
import { InputError, oneSentence } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';
import { parseYaml } from '../../data/yaml.ts';
import { GAMED_FILE, type filesOf } from '../../evaluation/benchmarks/alpaca-eval.ts';
import type { CachingProxy } from './caching-proxy.ts';
import { runProgram } from './python-program.ts';

/** alpaca_eval failed by itself: a retry may succeed. */
class AlpacaEvalFailed extends Error {
  override readonly name = 'AlpacaEvalFailed';
}

interface AlpacaEvalJob {
  /** The interpreter of the environment that has alpaca_eval. */
  python: string;
  files: ReturnType<typeof filesOf>;
  /** Name of one of the package's configurations of annotators. */
  config: string;
  /** The annotator's model, in place of the configuration's. */
  model?: string;
  proxy: CachingProxy;
  concurrency: number;
  signal?: AbortSignal;
}

/** The files that alpaca_eval writes. */
interface AlpacaEvalOutput {
  leaderboard: string;
  annotations: string;
}

/**
 * Compares the outputs with the baseline's.
 * @throws InputError when there is no such annotator, the reason of `proxy.failed` when the server failed, and AlpacaEvalFailed
 */
export async function runAlpacaEval(job: AlpacaEvalJob): Promise<AlpacaEvalOutput> {
  const folder = await mkdtemp(join(tmpdir(), 'selm-alpaca-eval-'));
  const path = (...parts: string[]) => join(folder, ...parts);
  const { files, proxy, signal } = job;
  try {
    await writeFile(path('outputs.json'), JSON.stringify(files.outputs));
    await writeFile(path('baseline.json'), JSON.stringify(files.baseline));
    await writeAnnotator(job, path('evaluators'));
    await writeHubCache(path('hub'), files.gamed);
    const ended = AbortSignal.any([proxy.failed, ...(signal ? [signal] : [])]);
    await runPython(job, folder, ended).catch((error: unknown) => {
      signal?.throwIfAborted();
      proxy.failed.throwIfAborted();
      if (proxy.refusal && proxy.counts.answered === 0) {
        const { message } = proxy.refusal;
        throw new InputError(`The annotator rejected all of its prompts: ${message}; use another annotator.`);
      }
      throw error;
    });
    const [leaderboard, annotations] = await Promise.all(
      ['leaderboard.csv', 'annotations.json'].map((name) => readFile(path('results', name), 'utf8')),
    );
    return { leaderboard, annotations };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const annotatorSchema = z.record(
  z.string(),
  z.looseObject({
    prompt_template: z.string(),
    fn_completions: z.literal('openai_completions', {
      error: 'is not for an OpenAI-compatible server; choose another one',
    }),
    completions_kwargs: z.looseObject({ model_name: z.string() }),
  }),
);

/** Copies the annotator's configuration and its prompt, with another model if one is given. */
async function writeAnnotator({ python, config, model }: AlpacaEvalJob, folder: string): Promise<void> {
  const own = join(await packageFolder(python), 'evaluators_configs');
  const file = join(own, config, 'configs.yaml');
  if (!exists(file)) {
    throw new InputError(`alpaca_eval has no annotator "${config}"; choose one of its evaluators_configs.`);
  }
  const { success, data, error } = annotatorSchema.safeParse(parseYaml(await readFile(file, 'utf8'), file));
  if (!success) throw new InputError(`The annotator "${config}" of alpaca_eval ${error.issues[0].message}.`);
  for (const annotator of Object.values(data)) {
    const template = annotator.prompt_template;
    await mkdir(dirname(join(folder, template)), { recursive: true });
    await cp(join(own, template), join(folder, template));
    if (model !== undefined) annotator.completions_kwargs.model_name = model;
  }
  await mkdir(join(folder, config), { recursive: true });
  await writeFile(join(folder, config, 'configs.yaml'), stringify(data));
}

/** Writes a hub cache with GAMED_FILE, which alpaca_eval reads from there and from nowhere else. */
async function writeHubCache(folder: string, gamed: string): Promise<void> {
  const commit = '0'.repeat(40);
  const repository = join(folder, 'datasets--tatsu-lab--alpaca_eval');
  const snapshot = join(repository, 'snapshots', commit);
  await mkdir(snapshot, { recursive: true });
  await mkdir(join(repository, 'refs'));
  await writeFile(join(repository, 'refs', 'main'), commit);
  await writeFile(join(snapshot, GAMED_FILE), gamed);
}

/** Environment variables that a Python interpreter needs on its way. All others stay here: the tool gets no credential. */
const PASSED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TMPDIR', 'LD_LIBRARY_PATH', 'SYSTEMROOT'];

async function runPython(
  { python, config, proxy, concurrency }: AlpacaEvalJob,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const args = {
    model_outputs: join(folder, 'outputs.json'),
    reference_outputs: join(folder, 'baseline.json'),
    annotators_config: join(folder, 'evaluators', config),
    output_path: join(folder, 'results'),
    precomputed_leaderboard: 'None',
    // By default it writes the weights of its regression into its own package.
    metric_kwargs: '{"save_weights_dir": None}',
  };
  const env = {
    ...Object.fromEntries(PASSED.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
    HF_HUB_CACHE: join(folder, 'hub'),
    HF_HUB_OFFLINE: '1',
    OPENAI_API_BASE: proxy.url,
    OPENAI_API_KEY: proxy.key.reveal(),
    OPENAI_MAX_CONCURRENCY: String(concurrency),
    OMP_NUM_THREADS: '1',
    PYTHONUTF8: '1',
  };
  const flags = Object.entries(args).map(([name, value]) => `--${name}=${value}`);
  await runProgram([python, '-m', 'alpaca_eval.main', 'evaluate', ...flags], {
    env,
    signal,
    explain: (reason) => new AlpacaEvalFailed(oneSentence(`alpaca_eval failed (${reason}).`)),
  });
}

/** The folder of the installed package. */
async function packageFolder(python: string): Promise<string> {
  const script = 'import importlib.util; print(importlib.util.find_spec("alpaca_eval").submodule_search_locations[0])';
  const { stdout } = await promisify(execFile)(python, ['-c', script]);
  return stdout.trim();
}
