/** examples/zephyr-7b.yaml in small: the same settings, a random Mistral of two layers, and PairRM of random weights; killed twice. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { LocalStore } from '../../artifacts/local-store.ts';
import { readJsonl } from '../../data/jsonl.ts';
import { uniformStream } from '../../data/random.ts';
import { readLlamaConfig } from '../../engine/model-files/llama-config.ts';
import { writeSafetensors } from '../../engine/model-files/safetensors.ts';
import { parameterShapes } from '../../engine/model-files/shapes.ts';
import { z } from 'zod';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, startSelm, summaryOf, type Running } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const home = join(folder, 'home');
const env = { SELM_HOME: home };
const RANKS = 2;
const ROUNDS = 3;
const PER_ROUND = 8;
const HELD_OUT = 4;

/** A Mistral as Zephyr's, with a SentencePiece tokenizer (byte fallback) and Zephyr's chat template. */
function zephyr(target: string): void {
  mkdirSync(target);
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']) {
    copyFileSync(join(fixtures, 'tokenizers/zephyr', name), join(target, name));
  }
  const { vocab_size } = JSON.parse(readFileSync(join(fixtures, 'tokenizers/zephyr/config.json'), 'utf8')) as {
    vocab_size: number;
  };
  const config = {
    architectures: ['MistralForCausalLM'],
    model_type: 'mistral',
    vocab_size,
    hidden_size: 128,
    intermediate_size: 256,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 32,
    hidden_act: 'silu',
    max_position_embeddings: 1024,
    sliding_window: 4096,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: false,
    bos_token_id: 1,
    eos_token_id: 2,
    dtype: 'float32',
  };
  writeFileSync(join(target, 'config.json'), JSON.stringify(config));
  const tensors = [...parameterShapes(readLlamaConfig(target))].map(([name, shape]) => {
    const next = uniformStream('zephyr', name);
    const count = shape.reduce((a, b) => a * b, 1);
    const isNorm = shape.length === 1;
    return {
      name,
      dtype: 'F32' as const,
      shape,
      data: Float32Array.from({ length: count }, () => (isNorm ? 1 : 0.2 * (2 * next() - 1))),
    };
  });
  writeSafetensors(join(target, 'model.safetensors'), tensors, { format: 'pt' });
}

/** Rows with the columns of HuggingFaceH4/ultrafeedback_binarized. */
const ultraFeedback = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => {
    const prompt = `What is ${from + i} plus ${i}? Explain it to a child.`;
    const conversation = (content: string) => [
      { role: 'user', content: prompt },
      { role: 'assistant', content },
    ];
    const chosen = conversation(`It is ${from + 2 * i}: take ${from + i} apples, and add ${i}.`);
    return {
      prompt,
      prompt_id: `${from + i}`,
      chosen,
      rejected: conversation(`I do not know what ${from + i} is.`),
      messages: chosen,
      score_chosen: 8.5,
      score_rejected: 2,
    };
  });

/** The recipe of the example, with what makes it small. */
function recipe() {
  const example = parse(
    readFileSync(fileURLToPath(new URL('../../examples/zephyr-7b.yaml', import.meta.url)), 'utf8'),
  ) as {
    optimize: object;
  };
  return {
    ...example,
    name: 'zephyr',
    model: './model',
    backend: 'torch',
    device: 'cpu',
    gpus: RANKS,
    threads: 1,
    prompts: { train: './train.jsonl', heldOut: './held-out.jsonl', perRound: PER_ROUND },
    rounds: ROUNDS,
    sample: { samplesPerPrompt: 1, temperature: 0, maxNewTokens: 16, backend: 'vllm' },
    label: { by: 'pairrm', model: './pairrm' },
    optimize: {
      ...example.optimize,
      learningRate: [1e-4, 5e-5, 2e-5],
      batchSize: 2,
      maxLength: 256,
      checkpointSeconds: 0.1,
    },
    evaluate: { maxNewTokens: 16 },
    output: './policy',
  };
}

const childrenOf = (pid: number): number[] => {
  try {
    return execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(Number);
  } catch {
    return [];
  }
};
const descendantsOf = (pid: number): number[] => childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);

const serverPid = (): number[] => {
  const file = join(home, 'server.json');
  return existsSync(file) ? [(JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid] : [];
};

const kill = (pids: number[]) => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
};
afterAll(() => kill(serverPid()));

/** Kills the command, its workers, engines, ranks and vLLM, and the Temporal server, when `happened`; fails if the run ends before. */
async function killWhen(
  { process: { pid }, ended }: Running,
  happened: () => boolean | Promise<boolean>,
): Promise<void> {
  let said: string | undefined;
  void ended.then(({ stderr }) => (said = stderr));
  while (!(await happened())) {
    if (said !== undefined) throw new Error(`The run ended before it was killed: ${said}`);
    await sleep(100);
  }
  kill([...descendantsOf(pid!), pid!, ...serverPid()]);
  await ended;
}

const store = new LocalStore(join(home, 'artifacts'));
const stepsOf = async (step: string) => (await store.list()).filter(({ manifest }) => manifest.recipe.step === step);

/** Whether a training has written a checkpoint. */
const hasCheckpoint = () => {
  const checkpoints = join(home, 'artifacts', 'checkpoints');
  return (
    existsSync(checkpoints) &&
    (readdirSync(checkpoints, { recursive: true }) as string[]).some((name) => /\.distcp$|\.safetensors$/.test(name))
  );
};

test('three rounds, with everything killed twice', async () => {
  zephyr(join(folder, 'model'));
  mkdirSync(home);
  execFileSync('cp', ['-r', join(fixtures, 'rankers/pairrm-hf'), join(folder, 'pairrm')]);
  writeFileSync(join(folder, 'train.jsonl'), jsonl(ultraFeedback(100, ROUNDS * PER_ROUND)));
  writeFileSync(join(folder, 'held-out.jsonl'), jsonl(ultraFeedback(500, HELD_OUT)));
  const file = join(folder, 'zephyr.yaml');
  writeFileSync(file, stringify(recipe()));

  // In the first training, and while the second round samples or labels.
  await killWhen(startSelm(['run', file, '--json'], env), hasCheckpoint);
  await killWhen(startSelm(['run', file, '--json'], env), async () => (await stepsOf('optimize')).length === 1);
  const ended = await selm(['run', file, '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);

  const { state, results } = summaryOf<RunStatus>(ended);
  expect(state).toBe('done');
  expect(results.map(({ round }) => round)).toEqual([1, 2, 3]);
  const trained = await stepsOf('optimize');
  expect(trained).toHaveLength(ROUNDS);
  for (const { address, manifest } of trained) {
    expect(manifest.recipe.parameters).toMatchObject({ backend: 'torch', device: 'cpu', gpus: RANKS });
    const artifact = await store.open(address);
    // All weights, as the files of the start model.
    const files = [
      'chat_template.jinja',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ];
    expect(readdirSync(join(artifact, 'model')).sort()).toEqual(expect.arrayContaining(files));
    const metrics = await readJsonl(
      join(artifact, 'metrics.jsonl'),
      z.looseObject({ step: z.number(), loss: z.number() }),
    );
    expect(metrics.length).toBeGreaterThan(0);
    expect(metrics.map(({ step }) => step)).toEqual(metrics.map((_, i) => i + 1));
  }
  for (const step of ['label', 'prefer', 'reference']) expect((await stepsOf(step)).length, step).toBe(ROUNDS);
  for (const step of ['divergence', 'evaluate'])
    expect((await stepsOf(step)).length, step).toBeGreaterThanOrEqual(ROUNDS);
  expect(await stepsOf('release')).toHaveLength(1);
  expect(readdirSync(join(folder, 'policy'))).toEqual(expect.arrayContaining(['config.json', 'model.safetensors']));

  const verified = await selm(['verify', 'zephyr', '--json'], env);
  expect(verified.code, `${verified.stdout}\n${verified.stderr}`).toBe(0);
});
