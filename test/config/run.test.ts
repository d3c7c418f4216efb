import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { loadConfig } from '../../config/load.ts';
import { checkSettings } from '../../config/set.ts';
import { fakeNvidiaSmi, TWO_H100 } from '../fake-gpus.ts';

const folder = mkdtempSync(join(tmpdir(), 'selm-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = join(folder, 'run.yaml');
const write = (...lines: string[]) => writeFileSync(file, lines.join('\n'));
const REQUIRED = ['name: test', 'model: org/model', 'prompts:', '  train: org/prompts', '  heldOut: 10'];

/** The message with which the file is refused. */
function refusal(...lines: string[]): string {
  write(...lines);
  try {
    loadConfig(file);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    const { message } = error as Error;
    expect(message).toMatch(/^\S+run\.yaml:? .+[.?]$/);
    expect(message).not.toContain('\n');
    return message.replace(file, 'run.yaml');
  }
  throw new Error('the configuration was accepted');
}

describe('what a file leaves out', () => {
  test("has the paper's settings", () => {
    write(...REQUIRED);
    const { rounds, sample, optimize } = loadConfig(file);
    // arXiv 2405.19332: three iterations, one greedy answer, learning rates 5e-7, 3e-7, 1e-7, beta 0.01, alpha 0.001 (Zephyr-7B).
    expect(rounds).toBe(3);
    expect(sample).toMatchObject({ samplesPerPrompt: 1, temperature: 0 });
    expect(optimize).toMatchObject({ learningRate: [5e-7, 3e-7, 1e-7], batchSize: 128, maxLength: 1024 });
    expect(optimize.objective).toEqual({ name: 'selm', beta: 0.01, alpha: 0.001 });
  });

  test('may be replaced from outside', () => {
    write(...REQUIRED, 'seed: 1');
    expect(loadConfig(file, { seed: 2, name: 'other' })).toMatchObject({ seed: 2, name: 'other', model: 'org/model' });
  });
});

/** `backend`, `device` and `gpus` of a run with these lines. */
function compute(...lines: string[]) {
  write(...REQUIRED, ...lines);
  const { backend, device, gpus } = loadConfig(file);
  return { backend, device, gpus };
}

const onnx = { backend: undefined, device: undefined, gpus: undefined };

/** @param python whether PyTorch is there for selm */
function machine(smi: string, python: boolean): void {
  fakeNvidiaSmi(join(folder, 'bin'), smi);
  vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
  vi.stubEnv('SELM_CACHE', join(folder, 'cache'));
  vi.stubEnv('SELM_PYTHON', python ? '/usr/bin/python3' : undefined);
}

/** What samples in a run with these lines. */
function sampler(...lines: string[]) {
  write(...REQUIRED, ...lines);
  return loadConfig(file).sample.backend;
}

describe('what computes', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('is ONNX Runtime where there is no GPU, and naming it changes nothing: step keys stay', () => {
    machine('exit 1', true);
    for (const lines of [[], ['backend: onnx'], ['device: cpu'], ['backend: onnx', 'device: cpu']]) {
      expect(compute(...lines)).toEqual(onnx);
    }
  });

  test('is PyTorch where there are a GPU and PyTorch, unless the CPU or ONNX Runtime is named', () => {
    machine(TWO_H100, true);
    expect(compute()).toEqual({ backend: 'torch', device: 'cuda', gpus: 1 });
    expect(compute('backend: onnx')).toEqual(onnx);
    expect(compute('device: cpu')).toEqual(onnx);
    machine(TWO_H100, false);
    expect(compute()).toEqual(onnx);
  });

  test('is PyTorch where it is named: on the GPUs, or on the CPU where there is none', () => {
    machine(TWO_H100, false);
    expect(compute('backend: torch', 'gpus: 2')).toEqual({ backend: 'torch', device: 'cuda', gpus: 2 });
    expect(compute('backend: torch', 'device: cpu')).toEqual({ backend: 'torch', device: 'cpu', gpus: 1 });
    machine('exit 1', false);
    expect(compute('backend: torch')).toEqual({ backend: 'torch', device: 'cpu', gpus: 1 });
    expect(compute('backend: torch', 'device: cuda')).toEqual({ backend: 'torch', device: 'cuda', gpus: 1 });
  });

  test('has vLLM sample where PyTorch computes on GPUs, unless another sampler is needed', () => {
    machine(TWO_H100, true);
    expect(sampler()).toBe('vllm');
    expect(sampler('sample:', '  backend: onnx')).toBe('onnx');
    expect(sampler('sample:', '  weights: q8')).toBe(undefined);
    expect(sampler('sample:', '  server: { url: http://127.0.0.1:8000/v1, model: org/model }')).toBe(undefined);
    expect(sampler('backend: torch', 'device: cpu')).toBe(undefined);
    expect(sampler('backend: onnx')).toBe(undefined);
  });

  test.each([
    [['device: cuda'], 'device', '"cuda"'],
    [['backend: onnx', 'device: cuda'], 'device', '"cuda"'],
    [['gpus: 8'], 'gpus', '8'],
    [['backend: onnx', 'device: cpu', 'gpus: 1'], 'gpus', '1'],
  ])('is refused where settings of PyTorch stand without it: %j', (lines, key, value) => {
    expect(refusal(...REQUIRED, ...lines)).toBe(
      `run.yaml: "${key}" cannot be ${value}: it is a setting of PyTorch, set backend: torch as well or remove this setting; see docs/config.md.`,
    );
  });
});

/** The three that may be hub ids, as they are after loading. */
function load(model: string, train: string, heldOut: string): unknown[] {
  write('name: test', `model: ${model}`, 'prompts:', `  train: ${train}`, `  heldOut: ${heldOut}`);
  const { model: loadedModel, prompts } = loadConfig(file);
  return [loadedModel, prompts.train, prompts.heldOut];
}

const here = (name: string) => join(folder, name);

describe('a path', () => {
  test('is relative to the file, whether it is there or not', () => {
    expect(load('./model', '../train.jsonl', 'data/held-out.parquet')).toEqual([
      here('model'),
      here('../train.jsonl'),
      here('data/held-out.parquet'),
    ]);
  });

  test('that begins with ~/ is in the home folder', () => {
    vi.stubEnv('HOME', '/home/anna');
    expect(load('~/model', '~/train.jsonl', '~other/held-out.jsonl')).toEqual([
      '/home/anna/model',
      '/home/anna/train.jsonl',
      here('~other/held-out.jsonl'),
    ]);
    vi.unstubAllEnvs();
  });

  test('is relative to the file where the file itself is named by a relative path', () => {
    write(
      'name: test',
      'model: ./model',
      'adapter: adapter',
      'output: out',
      'prompts:',
      '  train: a.jsonl',
      '  heldOut: 3',
    );
    const config = loadConfig(relative(process.cwd(), file));
    expect(config).toMatchObject({ model: here('model'), adapter: here('adapter'), output: here('out') });
    expect(config.prompts).toEqual({ tooLong: 'drop', train: here('a.jsonl'), heldOut: 3 });
  });

  test.each([
    ['model: ./policy', './policy', 'policy'],
    ['model: ./models/a', './models', 'models/a'],
    ['model: ./a', './a/out', 'a'],
    ['model: ./link', './policy', 'link'],
    ['model: m/m\nadapter: ./policy', './policy', 'policy'],
  ])('that the run reads is not its output: %s, output: %s', (model, output, read) => {
    mkdirSync(here('policy'), { recursive: true });
    if (!existsSync(here('link'))) symlinkSync(here('policy'), here('link'));
    write('name: test', model, `output: ${output}`, 'prompts:', '  train: a.jsonl', '  heldOut: 3');
    expect(() => loadConfig(file)).toThrow(
      new InputError(
        `${file}: "output" is ${here(output)}, which a run replaces, and the run reads ${here(read)}; configure another output folder.`,
      ),
    );
  });

  test('stays as it is where it is absolute', () => {
    expect(load('/models/a', '/data/train.jsonl', '/data/b')).toEqual(['/models/a', '/data/train.jsonl', '/data/b']);
  });

  test('that reads as a hub id is one', () => {
    const ids = ['org/model@v1.0', 'org/set/config:split', 'org/set'] as const;
    expect(load(...ids)).toEqual(ids);
  });

  test('that reads as a hub id is none if it is there beside the file', () => {
    const local = here('models/local');
    mkdirSync(local, { recursive: true });
    expect(load('models/local', 'models/local', 'models/local')).toEqual([local, local, local]);
  });
});

describe('a server that samples', () => {
  const SERVER = ['sample:', '  server:', '    url: http://127.0.0.1:8000/v1', '    model: org/model'];

  test('has its folder of adapters relative to the file', () => {
    write(...REQUIRED, ...SERVER, '    adapterFolder: adapters');
    expect(loadConfig(file).sample.server).toMatchObject({
      concurrency: 64,
      workers: 'control',
      adapterFolder: join(folder, 'adapters'),
    });
    const config = loadConfig(file);
    expect(checkSettings(config, { 'sample.server.url': 'http://10.0.0.7:8000/v1' })).toEqual({
      'sample.server.url': 'http://10.0.0.7:8000/v1',
    });
  });

  test('goes with adapters alone, and with weights of its own', () => {
    expect(refusal(...REQUIRED, ...SERVER, 'optimize:', '  full: true')).toBe(
      'run.yaml: "optimize.full" cannot be true: a server that samples (sample.server) only loads adapters, train one or remove the server; see docs/config.md.',
    );
    expect(refusal(...REQUIRED, ...SERVER, '  weights: q8')).toBe(
      'run.yaml: "sample.weights" cannot be "q8": a server that samples (sample.server) has its own weights, remove one of the two; see docs/config.md.',
    );
  });

  test("goes without the worker's own vLLM, whose settings need it", () => {
    expect(refusal(...REQUIRED, ...SERVER, '  backend: vllm')).toMatch(
      /"sample.backend" cannot be "vllm": a server samples/,
    );
    expect(refusal(...REQUIRED, 'sample:', '  backend: vllm', '  weights: q8')).toMatch(
      /"sample.weights" cannot be "q8"/,
    );
    expect(refusal(...REQUIRED, 'sample:', '  vllm: { args: [--seed, "1"] }')).toMatch(
      /"sample.vllm" has an effect with sample.backend: vllm only/,
    );
    write(...REQUIRED, 'sample:', '  backend: vllm', '  vllm: { args: [--seed, "1"] }', 'optimize:', '  full: true');
    expect(loadConfig(file).sample).toMatchObject({ backend: 'vllm', vllm: { args: ['--seed', '1'] } });
  });
});

test('settings of a new LoRA adapter are refused where training makes none', () => {
  const lora = ['optimize:', '  lora: { rank: 8 }'];
  expect(refusal(...REQUIRED, ...lora, '  full: true')).toBe(
    'run.yaml: "optimize.lora" is for a new LoRA adapter, but optimize.full trains all weights: remove one of the two.',
  );
  expect(refusal(...REQUIRED, 'adapter: name@3', ...lora)).toBe(
    'run.yaml: "optimize.lora" is for a new LoRA adapter, but training continues the adapter name@3 as it is: remove one of the two.',
  );
  write(...REQUIRED, ...lora);
  expect(loadConfig(file).optimize.lora.rank).toBe(8);
});

describe('an unknown key is refused with the one that was meant', () => {
  test.each([
    ['optimise:\n  epochs: 2', 'optimise', 'optimize'],
    ['sample:\n  temprature: 1', 'sample.temprature', 'sample.temperature'],
    ['evaluate:\n  shardsize: 1', 'evaluate.shardsize', 'evaluate.shardSize'],
    ['optimize:\n  lora:\n    r: 8', 'optimize.lora.r', 'optimize.lora.rank'],
    ['optimize:\n  beta: 0.1', 'optimize.beta', 'optimize.objective.beta'],
    ['tempreture: 1', 'tempreture', 'sample.temperature'],
    ['temperature: 1', 'temperature', 'sample.temperature'],
  ])('%j', (text, unknown, meant) => {
    expect(refusal(...REQUIRED, text)).toBe(`run.yaml: there is no key "${unknown}"; did you mean "${meant}"?`);
  });

  test('even where the one that was meant is missing because of it', () => {
    expect(refusal(...REQUIRED.map((line) => line.replace('model:', 'modle:')))).toBe(
      'run.yaml: there is no key "modle"; did you mean "model"?',
    );
  });
});

describe('a bad value is refused with its key and what it may be', () => {
  test.each([
    ['rounds: 0', '"rounds" cannot be 0: expected number to be >0; see docs/config.md.'],
    ['rounds: many', '"rounds" cannot be "many": expected number, received string; see docs/config.md.'],
    [
      'label:\n  by: nobody',
      '"label.by" cannot be "nobody": expected one of "verifier"|"final-answer"|"regex"|"json-schema"|"module"|"reward-model"|"pairrm"|"judge"|"combine"|"people"; see docs/config.md.',
    ],
    [
      'optimize:\n  objective:\n    name: ppo',
      '"optimize.objective.name" cannot be "ppo": expected one of "selm"|"dpo"|"xpo"|"vpo"|"se-popo"|"geb"|"ipo"|"simpo"|"ln-dpo"|"r-dpo"; see docs/config.md.',
    ],
    [
      'optimize:\n  objective:\n    name: dpo\n    alpha: 0.5',
      '"optimize.objective.alpha" cannot be 0.5: the dpo objective has no alpha, remove it; see docs/config.md.',
    ],
    [
      'optimize:\n  objective:\n    beta: -1',
      '"optimize.objective.beta" cannot be -1: expected number to be >0; see docs/config.md.',
    ],
    [
      'optimize:\n  learningRate: -1',
      '"optimize.learningRate" cannot be -1: expected number to be >0; see docs/config.md.',
    ],
    [
      'optimize:\n  learningRate: [1e-6, 0]',
      '"optimize.learningRate.1" cannot be 0: expected number to be >0; see docs/config.md.',
    ],
    [
      'optimize:\n  learningRate: fast',
      '"optimize.learningRate" cannot be "fast": expected a number > 0, or a list of them, one a round; see docs/config.md.',
    ],
    [
      'evaluate:\n  gate:\n    minWinRate: 55',
      '"evaluate.gate.minWinRate" cannot be 55: expected number to be <=1; see docs/config.md.',
    ],
    ['sample:', '"sample" has no value; give it one or remove the key.'],
    ['sample: 4', '"sample" cannot be 4: expected object, received number; see docs/config.md.'],
  ])('%j', (text, problem) => {
    expect(refusal(...REQUIRED, text)).toBe(`run.yaml: ${problem}`);
  });

  test.each(['my run', '.x', '..', '.', '-x', 'a/b', '../x', 'é'])('a name that cannot be one: %s', (name) => {
    expect(refusal(`name: "${name}"`, ...REQUIRED.slice(1))).toBe(
      `run.yaml: "name" cannot be "${name}": expected letters, digits, ".", "_" and "-", beginning with a letter, a digit or "_"; see docs/config.md.`,
    );
  });

  test('a name that JavaScript reserves', () => {
    expect(refusal('name: __proto__', ...REQUIRED.slice(1))).toContain(
      '"name" cannot be "__proto__": expected another name than "__proto__", which JavaScript reserves',
    );
  });

  test('a missing key', () => {
    expect(refusal('name: test')).toBe('run.yaml: "model" is missing; see docs/config.md.');
    expect(refusal(...REQUIRED.slice(0, 4))).toBe('run.yaml: "prompts.heldOut" is missing; see docs/config.md.');
    expect(refusal(...REQUIRED.slice(0, 4), '  heldOut: true')).toBe(
      'run.yaml: "prompts.heldOut" cannot be true: expected a file, a hub data set, or a number of prompts; see docs/config.md.',
    );
  });
});

describe('a file is refused', () => {
  test('that is empty', () => {
    for (const text of ['', '# nothing yet\n', '- a\n- list\n', 'just words']) {
      expect(refusal(text)).toBe('run.yaml has no settings; see docs/config.md.');
    }
  });

  test('that is not YAML, with the line', () => {
    expect(refusal('name: test', 'model: [org/model')).toMatch(
      /^run\.yaml is not YAML \(.+ line 2, .+\); correct it\.$/,
    );
    expect(refusal('rounds: 3', 'rounds: 4')).toBe(
      'run.yaml is not YAML (Map keys must be unique at line 2, column 1); correct it.',
    );
  });

  test('that is missing, or is none', () => {
    const missing = join(folder, 'missing.yaml');
    expect(() => loadConfig(missing)).toThrow(new InputError(`${missing} does not exist; give a run's YAML file.`));
    expect(() => loadConfig(folder)).toThrow(
      new InputError(`${folder} cannot be read (EISDIR); give a run's YAML file.`),
    );
  });
});

/** Settings that an operator gives a run in progress. */
function check(settings: Record<string, unknown>) {
  write(...REQUIRED);
  return checkSettings(loadConfig(file), settings);
}

describe('settings that change while a run is in progress', () => {
  test('are taken by key, a whole section with its defaults', () => {
    expect(
      check({ 'sample.temperature': 1, 'optimize.learningRate': [1e-5, 1e-6], 'optimize.lora': { rank: 4 } }),
    ).toEqual({
      'sample.temperature': 1,
      'optimize.learningRate': [1e-5, 1e-6],
      'optimize.lora': { rank: 4, targets: expect.any(Array) as string[], rslora: false },
    });
  });

  test.each([
    ['sample.temprature', 1, '--set: there is no key "sample.temprature"; did you mean "sample.temperature"?'],
    [
      'sample.temperature',
      -1,
      '--set: "sample.temperature" cannot be -1: expected number to be >=0; see docs/config.md.',
    ],
    [
      'sample.temperature.x',
      1,
      '--set: "sample.temperature" cannot be {"x":1}: expected number, received object; see docs/config.md.',
    ],
    ['smaple', 1, '--set: there is no key "smaple"; did you mean "sample"?'],
    [
      'label.pattern',
      'e',
      '--set: "label.pattern" is not a setting of the labeler "verifier"; remove it, or give the section as a whole.',
    ],
    [
      'rounds',
      3,
      '--set rounds: only sample, label, optimize, evaluate, onFailure, budget, workers can change while a run is in progress; start a run with another name instead.',
    ],
  ])('are refused: %s=%j', (key, value, problem) => {
    expect(() => check({ [key]: value })).toThrow(new InputError(problem));
  });
});

test("the quickstart's configuration is valid", () => {
  const example = fileURLToPath(new URL('../../examples/quickstart/config.yaml', import.meta.url));
  expect(loadConfig(example)).toMatchObject({ name: 'quickstart', rounds: 3 });
});

test('a limit for the second judge needs one', () => {
  const lines = [...REQUIRED, 'evaluate:', '  gate:', '    minSecondJudgeWinRate: 0.5'];
  expect(refusal(...lines)).toBe(
    'run.yaml: "evaluate.gate.minSecondJudgeWinRate" cannot be 0.5: evaluate.secondJudge is missing, give it or remove this setting; see docs/config.md.',
  );
  write(...lines, '  secondJudge: { by: verifier }');
  expect(loadConfig(file).evaluate.gate).toEqual({ minSecondJudgeWinRate: 0.5, onFail: 'continue' });
});

describe('a chat template', () => {
  test('is read where the configuration is: workers have its text', () => {
    writeFileSync(join(folder, 'own.jinja'), '{{ messages }}');
    write(...REQUIRED, 'chatTemplate:', '  file: own.jinja', '  arguments: { enable_thinking: false }');
    const config = loadConfig(file);
    expect(config.chatTemplate).toEqual({ template: '{{ messages }}', arguments: { enable_thinking: false } });
    // What was read is a configuration too: a run in progress is checked by it.
    expect(checkSettings(config, { 'sample.temperature': 1 })).toEqual({ 'sample.temperature': 1 });
  });

  test('that is missing, or there twice, is refused', () => {
    expect(() => {
      write(...REQUIRED, 'chatTemplate: { file: missing.jinja }');
      loadConfig(file);
    }).toThrow(
      new InputError(`The chat template ${join(folder, 'missing.jinja')} cannot be read (ENOENT); give a Jinja file.`),
    );
    expect(refusal(...REQUIRED, 'chatTemplate: { file: a, template: b }')).toMatch(
      /chatTemplate\.template.*file is given as well/,
    );
  });
});
