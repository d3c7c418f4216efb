/** The workflow bundle contains pure functions only: no file access, no configuration parsers, no native modules. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, type BundleOptions } from '@temporalio/worker';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));

type Configuration = Parameters<NonNullable<BundleOptions['webpackConfigHook']>>[0];

/** The files of the bundle, relative to the repository, as webpack resolved them. */
async function bundledFiles(): Promise<string[]> {
  const files = new Set<string>();
  const collect = (configuration: Configuration): Configuration => ({
    ...configuration,
    plugins: [
      ...(configuration.plugins ?? []),
      (compiler) =>
        compiler.hooks.done.tap('files', ({ compilation }) => {
          for (const module of compilation.modules) files.add(relative(root, module.nameForCondition() ?? ''));
        }),
    ],
  });
  await bundleWorkflowCode({
    workflowsPath,
    webpackConfigHook: collect,
    logger: new DefaultLogger('ERROR'),
  });
  return [...files].sort();
}

test('the workflows load no configuration, no file system and nothing native', async () => {
  // Bundling fails if a workflow imports node:fs or another module that is not deterministic.
  const files = await bundledFiles();
  expect(files).toContain('workflows/alignment.ts');
  expect(files).toContain('config/changes.ts');
  const packages = files.filter((file) =>
    /node_modules\/(yaml|zod|onnxruntime-node|onnxruntime-common|@huggingface)\//.test(file),
  );
  expect(packages).toEqual([]);
  expect(files.filter((file) => /^(config|data\/(hub|yaml|paths)|engine\/protocol)/.test(file))).toEqual([
    'config/benchmarks.ts',
    'config/changes.ts',
    'config/pools.ts',
    'engine/protocol/compute.ts',
    'engine/protocol/objectives.ts',
    'engine/protocol/steps.ts',
  ]);
});
