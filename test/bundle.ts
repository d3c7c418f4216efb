/**
 * Bundles the processes of the compiled package with the libraries that they load, for tests: a command of the package as it is shipped
 * resolves, reads and compiles up to two thousand modules, which takes most of the CPU time of a short command. The first process of a
 * bundle keeps what V8 has compiled, for all later ones. What the bundles run are the same modules. That the package works as it is
 * shipped is tested by test/package.
 */
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** The modules that processes start with. */
const ENTRIES = [
  'cli/main.js',
  'workers/main.js',
  'workers/dev-server/watcher.js',
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
  const entries = ENTRIES.map((entry) => join(folder, entry));
  await build({
    entryPoints: entries,
    outdir: folder,
    outbase: folder,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    keepNames: true,
    minifyWhitespace: true,
    external: [...EXTERNAL, ...Object.keys(peerDependencies).flatMap((name) => [name, `${name}/*`])],
    plugins: [ownPlaces(folder, location, entries), librariesLoadedLater(folder)],
    logLevel: 'error',
  });
  for (const entry of entries) {
    const bundle = entry.replace(/\.js$/, '.cjs');
    // Code that V8 has compiled before cannot import: the loader does that. The other occurrence is in a message.
    await writeFile(bundle, (await readFile(bundle, 'utf8')).replaceAll(/(?<!`)\bimport\(/g, 'importModule('));
    await writeFile(entry, loader(basename(entry, '.js')));
  }
}

/** The module that a process starts with: it runs the bundle beside it. Another user may not be allowed to keep what V8 has compiled. */
const loader = (name: string): string => `
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

const filename = fileURLToPath(new URL('./${name}.cjs', import.meta.url));
const compiled = fileURLToPath(new URL('./${name}.compiled', import.meta.url));
let cachedData;
try {
  cachedData = readFileSync(compiled);
} catch {
  process.once('exit', () => {
    try {
      writeFileSync(compiled + process.pid, script.createCachedData());
      renameSync(compiled + process.pid, compiled);
    } catch {}
  });
}
const code = readFileSync(filename, 'utf8');
const script = new Script(\`(function (module, exports, require, importModule) {\${code}
})\`, { filename, cachedData });
const module = { exports: {} };
script.runInThisContext()(module, module.exports, createRequire(filename), (name) => import(name));
await module.exports.run();
`;

/** Modules that look for files beside themselves still find them. What an entry does is its function `run`, because it awaits. */
const ownPlaces = (folder: string, location: string, entries: string[]): Plugin => ({
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
      return { contents: entries.includes(path) ? withFunction(contents) : contents, loader: 'js' };
    });
  },
});

/** An entry: what follows its imports becomes a function. */
function withFunction(text: string): string {
  const { index, 0: last } = [...text.matchAll(/^import .*;$/gm)].at(-1)!;
  const end = index + last.length;
  return `${text.slice(0, end)}\nexport async function run() {${text.slice(end)}\n}`;
}

/** Stay libraries: the bundle of a CommonJS module, loaded by import(), has no exports by name. */
const librariesLoadedLater = (folder: string): Plugin => ({
  name: 'libraries-loaded-later',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind, importer }) =>
      kind === 'dynamic-import' && importer.startsWith(folder) ? { path, external: true } : undefined,
    );
  },
});
