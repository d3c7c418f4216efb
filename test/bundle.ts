/**
 * Bundles the processes of the compiled package with the libraries that they load, for tests: a command of the package as it is shipped
 * resolves, reads and compiles up to two thousand modules, which takes most of the CPU time of a short command. What the bundles run are
 * the same modules. That the package works as it is shipped is tested by test/package.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** The modules that processes start with. */
const ENTRIES = [
  'cli/main.js',
  'workers/main.js',
  'workers/dev-server-watcher.js',
  'engine/onnx/main.js',
  'engine/torch/main.js',
  'engine/process/watcher.js',
];
/** Libraries with native modules, and what Temporal's bundler only loads where there is no prebuilt bundle of the workflows. */
const EXTERNAL = ['onnxruntime-node', '@temporalio/core-bridge', 'fs-native-extensions', '@swc/*', 'webpack'];

/**
 * @param folder a compiled package. Its entries are replaced by their bundles
 * @param location the folder that it will be moved to
 */
export async function bundleProcesses(folder: string, location: string): Promise<void> {
  const { peerDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    peerDependencies: Record<string, string>;
  };
  await build({
    entryPoints: ENTRIES.map((entry) => join(folder, entry)),
    outdir: folder,
    outbase: folder,
    allowOverwrite: true,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    keepNames: true,
    minifyWhitespace: true,
    external: [...EXTERNAL, ...Object.keys(peerDependencies).flatMap((name) => [name, `${name}/*`])],
    banner: {
      js: "import * as nodeModule from 'node:module'; const require = nodeModule.createRequire(import.meta.url);",
    },
    plugins: [ownPlaces(folder, location), librariesLoadedLater(folder)],
    logLevel: 'error',
  });
}

/** Modules that look for files beside themselves still find them. */
const ownPlaces = (folder: string, location: string): Plugin => ({
  name: 'own-places',
  setup({ onLoad }) {
    onLoad({ filter: /\.[cm]?js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const within = relative(folder, path);
      const place = within.startsWith('..') ? path : join(location, within);
      const contents = text
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(place).href))
        .replaceAll(/\brequire\.resolve\(/g, `require('node:module').createRequire(${JSON.stringify(place)}).resolve(`)
        .replaceAll(/\b__filename\b/g, JSON.stringify(place))
        .replaceAll(/\b__dirname\b/g, JSON.stringify(dirname(place)));
      return { contents, loader: 'js' };
    });
  },
});

/** Stay libraries: the bundle of a CommonJS module, loaded by import(), has no exports by name. */
const librariesLoadedLater = (folder: string): Plugin => ({
  name: 'libraries-loaded-later',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind, importer }) =>
      kind === 'dynamic-import' && importer.startsWith(folder) ? { path, external: true } : undefined,
    );
  },
});
