/**
 * `tsx bench/gpu/round.ts cuda|cpu FOLDER`: two rounds of `selm run` with a random model of 40 million parameters. The worker starts vLLM
 * for the start policy, stops it before PyTorch trains, and starts it once for each trained policy: it stays up beside the KL estimate.
 * Prints how often it started, and ends with 0 if the rounds are done and no process of vLLM is left.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { RunStatus } from '../../workflows/status.ts';
import { randomModel } from '../../test/random-model.ts';
import { tinyPrompts } from '../../test/tiny-model.ts';
import { makeNotingPython } from '../../test/vllm/noting-python.ts';

const [device, folder] = process.argv.slice(2);
const path = (name: string) => join(folder, name);

mkdirSync(folder, { recursive: true });
randomModel(path('model'), {
  vocab_size: 97,
  hidden_size: 1024,
  intermediate_size: 2816,
  num_hidden_layers: 4,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  max_position_embeddings: 2048,
});
const rows = tinyPrompts(40).map((row) => JSON.stringify(row));
writeFileSync(path('train.jsonl'), `${rows.slice(0, 32).join('\n')}\n`);
writeFileSync(path('held-out.jsonl'), `${rows.slice(32).join('\n')}\n`);
const config = {
  name: 'gpu-check',
  model: './model',
  prompts: { train: './train.jsonl', heldOut: './held-out.jsonl' },
  rounds: 2,
  backend: 'torch',
  device,
  gpus: 1,
  // CUDA graphs would take longer to capture than they save.
  sample: {
    backend: 'vllm',
    vllm: { args: ['--enforce-eager'] },
    samplesPerPrompt: 4,
    temperature: 1,
    maxNewTokens: 32,
  },
  label: { by: 'regex', pattern: '[a-m]' },
  optimize: { batchSize: 8, learningRate: 1e-4 },
  evaluate: { maxNewTokens: 32 },
};
writeFileSync(path('run.yaml'), stringify(config));

const startsOf = makeNotingPython(path('python'), process.env['SELM_PYTHON'] ?? 'python3');
const entry = fileURLToPath(new URL('../../cli/selm.js', import.meta.url));
const printed = execFileSync(process.execPath, [entry, 'run', path('run.yaml'), '--json'], {
  encoding: 'utf8',
  env: { ...process.env, SELM_HOME: path('home'), SELM_PYTHON: path('python') },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const status = JSON.parse(printed.trim().split('\n').at(-1)!) as RunStatus;
const left = readdirSync('/proc')
  .filter((name) => /^\d+$/.test(name))
  .filter((pid) => commandOf(pid).includes(path('model')));
console.log(JSON.stringify({ state: status.state, results: status.results, vllmStarts: startsOf().length, left }));
if (status.state !== 'done' || left.length > 0) process.exitCode = 1;

/** The command line of a process. Empty if it has ended meanwhile. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
