/** Runs whose policies a real vLLM samples, which the worker starts and stops: with LoRA, and with all weights trained. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { openPolicyArtifact } from '../../activities/policy.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { readSampled } from '../../data/readers.ts';
import { startEngine } from '../../engine/backends.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, summaryOf } from '../command.ts';
import { smollm2 } from '../smollm2/model.ts';
import { temporaryFolder } from '../temporary.ts';
import { makeNotingPython } from './noting-python.ts';
import { vllmProcesses } from './processes.ts';

const folder = temporaryFolder();
const model = await smollm2();
const engine = startEngine();
afterAll(() => engine.close());

const QUESTIONS = [
  'Name a color.',
  'Say hello.',
  'What is a tree?',
  'Count to three.',
  'Name a city.',
  'What is rain?',
];
writeFileSync(
  join(folder, 'train.jsonl'),
  QUESTIONS.map((prompt, i) => `${JSON.stringify({ id: `q${i}`, prompt })}\n`).join(''),
);
// Shorter is better: responses differ, so that every prompt gives a preference.
writeFileSync(
  join(folder, 'labeler.mjs'),
  'export default (_prompt, answers) => answers.map(({ length }) => -length);\n',
);

cpSync(fileURLToPath(new URL('../fixtures/rankers/pairrm-hf', import.meta.url)), join(folder, 'pairrm'), {
  recursive: true,
});

interface Settings {
  optimize: object;
  [setting: string]: unknown;
}

/** A run of two rounds with a home of its own. */
async function twoRounds(name: string, { optimize, ...settings }: Settings) {
  const home = join(folder, name);
  const config = {
    name,
    model,
    device: 'cpu',
    prompts: { train: './train.jsonl', heldOut: 2 },
    rounds: 2,
    sample: { backend: 'vllm', samplesPerPrompt: 2, temperature: 1, maxNewTokens: 12 },
    label: { by: 'module', path: './labeler.mjs' },
    optimize: { ...optimize, batchSize: 2, objective: { beta: 0.1 } },
    evaluate: { maxNewTokens: 12 },
    ...settings,
  };
  writeFileSync(join(folder, `${name}.yaml`), stringify(config));
  const python = join(folder, `${name}-python`);
  const startsOf = makeNotingPython(python, process.env['SELM_PYTHON']!);
  const env = { SELM_HOME: home, SELM_PYTHON: python };
  const before = vllmProcesses();
  const ended = await selm(['run', join(folder, `${name}.yaml`), '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  expect(vllmProcesses()).toEqual(before);
  return {
    env,
    store: new LocalStore(join(home, 'artifacts')),
    status: summaryOf<RunStatus>(ended),
    starts: startsOf(),
  };
}

/** How far the log-probabilities that vLLM gave with its samples are from the engine's, at most, in nats a token. */
async function farthest(store: LocalStore, policies: string[]): Promise<number> {
  const distances: number[] = [];
  for (const address of policies) {
    const { policy } = await openPolicyArtifact(store, address);
    for (const { address: shard, manifest } of await store.list()) {
      if (manifest.recipe.step !== 'sample' || manifest.recipe.inputs['policy'] !== address) continue;
      const rows = await readSampled(join(await store.open(shard), 'responses.jsonl'));
      const given = rows.flatMap(({ prompt_input_ids, responses }) =>
        responses.map(({ token_ids, logp }) => ({
          prompt_input_ids: prompt_input_ids!,
          response_input_ids: token_ids,
          logp: logp!,
        })),
      );
      const scores = await engine.run('score', { policy, rows: given });
      distances.push(...scores.map(({ logp, tokens }, i) => Math.abs(logp - given[i].logp) / tokens));
    }
  }
  expect(distances.length).toBeGreaterThan(policies.length);
  return Math.max(...distances);
}

const lora = { learningRate: 1e-3, lora: { rank: 8 } };
const full = { learningRate: 1e-5, full: true };
// Between two samplings of a policy, KL and PairRM are computed beside vLLM.
const torch = { backend: 'torch', label: { by: 'pairrm', model: './pairrm' } };

test.each([
  // The server of the start policy takes no adapter, and the next one all of them.
  ['onnx-lora', { optimize: lora }, 2],
  ['onnx-full', { optimize: full }, 3],
  // Training stops the server: one for each policy.
  ['torch-lora', { optimize: lora, ...torch }, 3],
  ['torch-full', { optimize: full, ...torch }, 3],
])(
  '%s: two rounds end, start vLLM as seldom as their policies allow, and leave no process',
  async (name, settings, servers) => {
    const { env, store, status, starts } = await twoRounds(name, settings);
    expect(status.results.map(({ accepted }) => accepted)).toEqual([true, true]);
    expect(starts).toHaveLength(servers);

    const samples = (await store.list()).filter(({ manifest }) => manifest.recipe.step === 'sample');
    // Two rounds of prompts, and the held-out prompts by three policies.
    expect(samples).toHaveLength(5);
    for (const { manifest } of samples) {
      expect(manifest.recipe).not.toHaveProperty('backend');
      expect(manifest.recipe.parameters).toMatchObject({
        vllm: { version: '0.32.0+cpu', dtype: 'float32', args: [] },
      });
    }
    const policies = [...new Set(samples.map(({ manifest }) => manifest.recipe.inputs['policy'] as string))];
    expect(policies).toHaveLength(3);
    // Nats per token, of base model and trained policies.
    expect(await farthest(store, policies)).toBeLessThan(1e-3);

    const verified = await selm(['verify', name, '--step', 'sample', '--json'], env);
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.stderr.match(/skipped: sampled by vLLM/g)).toHaveLength(5);
  },
);
