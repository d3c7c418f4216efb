/** benchmark-alpaca-eval: win rates over the baseline's outputs, raw and length-controlled (AlpacaEval 2, arXiv 2404.04475). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AlpacaEvalBenchmark } from '../../config/benchmarks.ts';
import { readFailure } from '../../data/file-errors.ts';
import { downloadDatasetFiles } from '../../data/hub/datasets.ts';
import { isDatasetId } from '../../data/hub/ids.ts';
import type { PromptRecord } from '../../data/records.ts';
import {
  alpacaEvalResult,
  BASELINE_FILE,
  filesOf,
  GAMED_FILE,
  instructionsOf,
} from '../../evaluation/benchmarks/alpaca-eval.ts';
import { OpenAiClient } from '../../openai/client/client.ts';
import { requestSchema } from '../../openai/client/settings.ts';
import { importPrompts } from '../prompts/stored.ts';
import { readShards } from '../sample.ts';
import { defineStep } from '../step.ts';
import type { BenchmarkInput, BenchmarkKind } from './benchmark.ts';
import { startCachingProxy } from './caching-proxy.ts';
import { programEnvironment } from './program-environment.ts';
import { runAlpacaEval } from './run-alpaca-eval.ts';

const measure = defineStep({
  name: 'benchmark-alpaca-eval',
  kind: 'benchmark',
  // A server annotates, and alpaca_eval records times.
  reproducible: false,
  recipe: ({ benchmark: { annotator }, responses }: BenchmarkInput<'alpaca-eval'>) => ({
    parameters: {
      annotator: {
        config: annotator.config,
        server: annotator.server,
        ...(annotator.model !== undefined && { model: annotator.model }),
      },
      alpacaEval: programEnvironment('alpaca-eval').version,
    },
    inputs: { responses },
    seed: 0,
  }),
  run: async ({ inputs }, { context, input, folder, options: { signal, onProgress } }) => {
    const { config, model, server, ...requests } = input.benchmark.annotator;
    const { python } = programEnvironment('alpaca-eval');
    const rows = await readShards(context.store, inputs.responses);
    const client = new OpenAiClient({ url: server, model: model ?? config, ...requests });
    const proxy = await startCachingProxy(client, {
      folder: join(context.cacheFolder, 'annotations'),
      ...(signal && { signal }),
      onAnswer: (done) => onProgress?.({ done, total: rows.length, unit: 'answers', tokens: 0 }),
    });
    try {
      const job = {
        python,
        files: filesOf(rows),
        config,
        concurrency: requestSchema.parse(requests).concurrency,
        proxy,
      };
      const { leaderboard, annotations } = await runAlpacaEval({
        ...job,
        ...(model !== undefined && { model }),
        ...(signal && { signal }),
      });
      await folder.writeText('leaderboard.csv', leaderboard);
      await folder.writeText('annotations.json', annotations);
      return alpacaEvalResult(leaderboard, rows.length);
    } finally {
      proxy.close();
    }
  },
});

export const alpacaEval: BenchmarkKind<'alpaca-eval'> = {
  readInputs,
  async turn(context, { benchmark }, options) {
    const prompts = await readInputs(benchmark);
    const { temperature, maxNewTokens } = benchmark;
    const { address } = await importPrompts(context, { count: prompts.length, records: () => prompts }, options);
    return { sets: [{ address, count: prompts.length, settings: { temperature, maxNewTokens } }], more: false };
  },
  measure,
};

async function readInputs({ data, limit }: AlpacaEvalBenchmark): Promise<PromptRecord[]> {
  const [baseline, gamed] = await readFiles(data, [BASELINE_FILE, GAMED_FILE]);
  return instructionsOf(baseline, gamed, data, limit);
}

/** Reads files of a data set: of a folder, or of the hub. */
async function readFiles(data: AlpacaEvalBenchmark['data'], names: string[]): Promise<string[]> {
  const paths = isDatasetId(data) ? await downloadDatasetFiles(data, names) : names.map((name) => join(data, name));
  const texts: string[] = [];
  // One after the other: of two missing files, the first is named.
  for (const path of paths) {
    try {
      texts.push(await readFile(path, 'utf8'));
    } catch (error) {
      throw readFailure(path, error, `the benchmark alpaca-eval needs ${names.join(' and ')}`);
    }
  }
  return texts;
}
