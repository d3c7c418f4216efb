/** AlpacaEval 2 as a step: the package alpaca_eval itself, with an annotator on a server. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { benchmark as measure, benchmarkPrompts } from '../../../activities/benchmarks/index.ts';
import { whyNotRecomputed } from '../../../activities/recompute.ts';
import { readShards } from '../../../activities/sample.ts';
import type { Address } from '../../../artifacts/manifest.ts';
import { LocalStore } from '../../../artifacts/local-store.ts';
import { benchmarkOf, type AlpacaEvalBenchmark } from '../../../config/benchmarks.ts';
import { writeJsonl } from '../../../data/jsonl.ts';
import { completeInterpreter } from '../../../engine/python-environments.ts';
import { startRecording } from '../../recording-server.ts';
import { startHub } from '../../hub-server.ts';
import { tinyModel, tinyPrompts } from '../../tiny-model.ts';
import { testContext } from '../context.ts';
import { importPolicy, sampleBenchmark } from './sampled.ts';

const python = completeInterpreter(['alpaca-eval']);
if (python === undefined) console.warn('Skipped: alpaca_eval is not installed (selm benchmarks install alpaca-eval).');

const context = testContext();
const path = (name: string) => join(context.folder, name);

const KEY = 'sk-a-key-of-the-annotator';
const COUNT = 12;
/** The instruction that the server refuses, as OpenAI refuses what its filter finds. */
const REFUSED = 'Question 7?';

/** The preference for the output that is shown first, from the prompt's hash; in log-probabilities, as OpenAI returns them. */
function annotate(body: string): [number, unknown] {
  if (body.includes(REFUSED)) {
    return [
      400,
      { error: { message: 'Filtered. Please try again with a different prompt.', type: 'invalid_request_error' } },
    ];
  }
  const { messages } = JSON.parse(body) as { messages: object[] };
  const digest = createHash('sha256').update(JSON.stringify(messages)).digest();
  const first = 0.05 + (0.9 * digest.readUInt16BE(0)) / 2 ** 16;
  const top = [
    { token: 'm', logprob: Math.log(first), bytes: null },
    { token: 'M', logprob: Math.log(1 - first), bytes: null },
  ].sort((a, b) => b.logprob - a.logprob);
  return [
    200,
    {
      id: 'x',
      object: 'chat.completion',
      created: 1,
      model: 'annotator',
      choices: [
        {
          index: 0,
          finish_reason: 'length',
          message: { role: 'assistant', content: top[0].token },
          logprobs: { content: [{ ...top[0], top_logprobs: top }] },
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 1, total_tokens: 11 },
    },
  ];
}
let answering = Infinity;
const { url, requests } = await startRecording(({ body }) =>
  requests.length > answering ? [401, { error: { message: `${KEY} is not valid` } }] : annotate(body),
);

const words = (seed: number) => 'word '.repeat(1 + ((seed * 7919) % 23)).trim();
const baseline = Array.from({ length: COUNT }, (_, i) => ({
  dataset: i % 2 === 0 ? 'helpful_base' : 'koala',
  instruction: `Question ${i}?`,
  output: words(i),
  generator: 'gpt4_1106_preview',
  datasplit: 'eval',
}));
/** Two gamed baselines, each with all instructions in order, as in the file of alpaca_eval. */
const gamed = [
  'model,preference,index,std_delta_len,instruction_difficulty,not_gamed_baseline',
  ...['concise', 'verbose'].flatMap((name, j) =>
    baseline.map(
      (_, i) => `${name},${((i * 37 + j * 11) % 100) / 100},${i},${j === 0 ? 1.25 : -1.5},${i / 10 - 0.5},False`,
    ),
  ),
].join('\n');

const benchmark = benchmarkOf({
  'alpaca-eval': {
    annotator: { server: url, model: 'annotator', retries: 0, concurrency: 2 },
    data: path('data'),
    temperature: 0,
    maxNewTokens: 16,
  },
}) as AlpacaEvalBenchmark;

let policy: Address;
let responses: Address[];
beforeAll(async () => {
  mkdirSync(path('data'));
  writeFileSync(path('data/alpaca_eval_gpt4_baseline.json'), JSON.stringify(baseline));
  writeFileSync(path('data/df_gamed.csv'), `${gamed}\n`);
  await writeJsonl(path('train.jsonl'), tinyPrompts(4));
  policy = await importPolicy(context, tinyModel(path('model')), path('train.jsonl'));
  responses = await sampleBenchmark(context, policy, benchmark);
});
afterEach(() => vi.unstubAllEnvs());

/** Measures in an empty store. */
function measureIn(cacheFolder: string) {
  const store = Object.assign(Object.create(context.store) as LocalStore, { find: async () => undefined });
  const input = { benchmark, policy, responses, seed: 0, threads: 1 };
  return measure({ ...context, store, cacheFolder }, input, {});
}

/** Runs alpaca_eval by hand, as its documentation says. @returns its leaderboard, by column */
async function byHand(outputs: object[]): Promise<Record<string, string>> {
  const script = `
import alpaca_eval, json, os, pathlib, shutil, yaml
folder = pathlib.Path('.')
configs = pathlib.Path(alpaca_eval.__file__).parent / 'evaluators_configs'
shutil.copytree(configs / 'alpaca_eval_clf_gpt4_turbo', folder / 'own/alpaca_eval_clf_gpt4_turbo')
config = yaml.safe_load((configs / 'weighted_alpaca_eval_gpt4_turbo/configs.yaml').read_text())
config['weighted_alpaca_eval_gpt4_turbo']['completions_kwargs']['model_name'] = 'annotator'
(folder / 'own/mine').mkdir()
(folder / 'own/mine/configs.yaml').write_text(yaml.safe_dump(config))
alpaca_eval.evaluate(model_outputs='outputs.json', reference_outputs='baseline.json', annotators_config=str((folder / 'own/mine').resolve()),
    output_path='results', precomputed_leaderboard=None, metric_kwargs={'save_weights_dir': None})`;
  const folder = path('by-hand');
  const repository = join(folder, 'hub/datasets--tatsu-lab--alpaca_eval');
  mkdirSync(join(repository, 'refs'), { recursive: true });
  mkdirSync(join(repository, 'snapshots/abc'), { recursive: true });
  writeFileSync(join(repository, 'refs/main'), 'abc');
  writeFileSync(join(repository, 'snapshots/abc/df_gamed.csv'), `${gamed}\n`);
  writeFileSync(join(folder, 'baseline.json'), JSON.stringify(baseline));
  writeFileSync(join(folder, 'outputs.json'), JSON.stringify(outputs));
  await promisify(execFile)(python!, ['-c', script], {
    cwd: folder,
    env: {
      ...process.env,
      HF_HUB_CACHE: join(folder, 'hub'),
      HF_HUB_OFFLINE: '1',
      OPENAI_API_BASE: `${url}/v1`,
      OPENAI_API_KEY: KEY,
    },
  });
  const [names, values] = readFileSync(join(folder, 'results/leaderboard.csv'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

describe.skipIf(python === undefined)('with alpaca_eval', () => {
  test('the figures are those of alpaca_eval run by hand; a failed attempt has cost nothing twice; the key is nowhere', async () => {
    vi.stubEnv('OPENAI_API_KEY', KEY);
    const cache = path('cache');
    answering = 5;
    const failed = (await measureIn(cache).catch((error: Error) => error)) as Error;
    expect(failed).toMatchObject({ name: 'InputError' });
    expect(failed.message).toContain('does not accept the key');
    expect(failed.message).not.toContain(KEY);
    const paid = requests.slice(0, answering).filter(({ body }) => !body.includes(REFUSED));

    answering = Infinity;
    requests.length = 0;
    const { address, summary } = await measureIn(cache);
    const asked = requests.filter(({ body }) => !body.includes(REFUSED)).map(({ body }) => body);
    expect(asked).toHaveLength(COUNT - 1 - paid.length);
    expect(asked.filter((body) => paid.some((one) => one.body === body))).toEqual([]);

    const rows = await readShards(context.store, responses);
    const outputs = rows.map(({ prompt, responses: [{ text }] }, i) => ({
      dataset: baseline[i].dataset,
      instruction: prompt as string,
      output: text,
      generator: 'mine',
    }));
    const hand = await byHand(outputs);
    const figure = (metric: string) => summary.rows.find((row) => row.metric === metric)!;
    expect(figure('length_controlled_winrate')).toMatchObject({
      value: Number(hand['length_controlled_winrate']),
      count: COUNT - 1,
    });
    expect(figure('win_rate')).toMatchObject({
      value: Number(hand['win_rate']),
      error: Number(hand['standard_error']),
    });
    expect(figure('avg_length').value).toBe(Number(hand['avg_length']));
    expect(figure('discrete_win_rate').value).toBe(Number(hand['discrete_win_rate']));
    expect(figure('comparisons_without_preference')).toMatchObject({ value: 1, count: COUNT });

    const folder = await context.store.open(address);
    const stored = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    expect(stored.join('\n')).not.toContain(KEY);
    const { recipe } = await context.store.manifest(address);
    expect(recipe.parameters).toEqual({
      annotator: { config: 'weighted_alpaca_eval_gpt4_turbo', server: url, model: 'annotator' },
      alpacaEval: '0.6.6',
    });
    expect(await whyNotRecomputed(recipe, context)).toBe('measured by another program');
  });
});

test('a worker without alpaca_eval says how to install it', async () => {
  vi.stubEnv('SELM_CACHE', path('elsewhere'));
  await expect(measureIn(path('cache'))).rejects.toThrow(
    'alpaca_eval is not installed for selm: run selm benchmarks install on this worker.',
  );
});

test('the prompts are those of the data set, from a folder or from the hub, and the same', async () => {
  const [set] = (await benchmarkPrompts(context, { benchmark, responses: [] }, {})).sets;
  expect(set).toMatchObject({ count: COUNT, settings: { temperature: 0, maxNewTokens: 16 } });
  const files = Object.fromEntries(
    ['alpaca_eval_gpt4_baseline.json', 'df_gamed.csv'].map((name) => [name, readFileSync(path(`data/${name}`))]),
  );
  for (const name of ['HF_ENDPOINT', 'HF_HUB_CACHE']) vi.stubEnv(name, undefined);
  const hub = await startHub({ 'datasets/tatsu-lab/alpaca_eval': { revision: 'main', files } }, path('hub'));
  const fromHub = { benchmark: { ...benchmark, data: 'tatsu-lab/alpaca_eval' }, responses: [] };
  expect((await benchmarkPrompts(context, fromHub, {})).sets).toEqual([set]);
  expect(hub.downloads.sort()).toEqual(Object.keys(files).sort());
});

test.each([
  [
    'a folder without the files',
    {},
    /alpaca_eval_gpt4_baseline\.json cannot be read \(ENOENT\); the benchmark alpaca-eval needs/,
  ],
  ['another file', { baseline: '{}' }, /is not a list of \{instruction, output, generator\}/],
  ['fewer difficulties', { gamed: gamed.split('\n').slice(0, 5).join('\n') }, /df_gamed\.csv has no row with index 4/],
])(
  '%s is one sentence',
  async (name, { baseline: outputs, gamed: difficulties }: { baseline?: string; gamed?: string }, message) => {
    const data = path(name);
    mkdirSync(data);
    if (outputs !== undefined || difficulties !== undefined) {
      writeFileSync(join(data, 'alpaca_eval_gpt4_baseline.json'), outputs ?? JSON.stringify(baseline));
      writeFileSync(join(data, 'df_gamed.csv'), difficulties ?? gamed);
    }
    await expect(benchmarkPrompts(context, { benchmark: { ...benchmark, data }, responses: [] }, {})).rejects.toThrow(
      message,
    );
  },
);
