/** `npm run build`: compiles the package into dist/, with the files that it reads and the bundled workflows. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { PACKAGED_BUNDLE } from './workers/workflow-code.ts';

const root = fileURLToPath(new URL('.', import.meta.url));
const PROJECT = 'tsconfig.build.json';
const { include: folders } = JSON.parse(readFileSync(join(root, PROJECT), 'utf8')) as { include: string[] };
/** Shipped besides the folders' files: the version, the examples, and the ranks of the torch backend with their lock files. */
const FURTHER = ['package.json', 'examples', 'python'];
/** Not the scripts of web pages, which browsers load as they are. */
const NOT_SHIPPED =
  /\.(ts|md)$|^(?!web\/assets\/).*\.js$|^cdk\/images\/(Dockerfile|check\.py)$|^ports\/.*\.py$|^python\/tests\//;
/** What Python writes beside its sources. */
const PYTHON_CACHE = /(^|\/)(__pycache__|\.pytest_cache|[^/]+\.egg-info)\//;
/** Everything that a build depends on, by path within the checkout. */
export const INPUTS = [...folders, ...FURTHER, 'build.ts', 'cdk.json', PROJECT, 'tsconfig.json', 'package-lock.json'];

/**
 * Builds the package from the sources as they are now.
 * @param out the folder to build in, which is emptied first
 * @param options.check whether types are checked; without, compiling takes a third of the time
 */
export async function build(out: string, { check = true } = {}): Promise<void> {
  rmSync(out, { recursive: true, force: true });
  compile(out, check);
  for (const folder of [...folders, ...FURTHER]) copyData(folder, out);
  const app = 'node cdk/app.js';
  const cdk = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as object;
  writeFileSync(join(out, 'cdk.json'), `${JSON.stringify({ ...cdk, app }, null, 2)}\n`);
  await bundleWorkflows(out);
}

function compile(out: string, check: boolean): void {
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  const flags = ['-p', join(root, PROJECT), '--outDir', out, ...(check ? [] : ['--noCheck'])];
  execFileSync(process.execPath, [compiler, ...flags], { stdio: 'inherit' });
}

/** Copies what is neither source nor documentation. */
function copyData(path: string, out: string): void {
  for (const file of filesOf(path).filter((name) => !NOT_SHIPPED.test(name))) {
    mkdirSync(dirname(join(out, file)), { recursive: true });
    cpSync(join(root, file), join(out, file));
  }
}

/** The files of a file or folder, by path within the checkout. */
export function filesOf(path: string): string[] {
  if (statSync(join(root, path)).isFile()) return [path];
  const entries = readdirSync(join(root, path), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(root, join(parentPath, name)))
    .filter((file) => !PYTHON_CACHE.test(file));
}

async function bundleWorkflows(out: string): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(out, 'workflows/index.js'),
    logger: new DefaultLogger('WARN'),
  });
  writeFileSync(join(out, PACKAGED_BUNDLE), code);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build(join(root, 'dist'));
