/** What the command does with bad usage and bad input: exit code 2, one sentence that says what and where, nothing else. */
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { selm } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { otherAdapter, tinyAdapter, tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);
const out = path('out');

const model = tinyModel(path('model'));

/** A copy of the tiny model with something wrong. */
function damaged(name: string, damage: (folder: string) => void): string {
  cpSync(model, path(name), { recursive: true });
  damage(path(name));
  return path(name);
}

function damagedWeights(name: string, change: (bytes: Buffer) => Buffer): string {
  const file = 'model.safetensors';
  return damaged(name, (copy) => writeFileSync(join(copy, file), change(readFileSync(join(copy, file)))));
}

/** A file of these lines, objects as JSON. */
function file(name: string, ...lines: (string | object)[]): string {
  writeFileSync(
    path(name),
    lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
  );
  return path(name);
}

function linkTo(target: string, name: string): string {
  symlinkSync(target, path(name));
  return path(name);
}

/** The bytes with a text of their header replaced by one as long. */
function withHeader(bytes: Buffer, from: string, to: string): Buffer {
  const at = bytes.indexOf(from);
  expect(to.length).toBe(from.length);
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(to), bytes.subarray(at + from.length)]);
}

const prompts = file('prompts.jsonl', ...tinyPrompts(2));
const preference = { prompt: 'Hi', chosen: 'a', rejected: 'b', reference_response: 'c' };
const preferences = file('preferences.jsonl', preference);

const withFlags = (command: string, flags: Record<string, string>) => [
  command,
  ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]),
];
const sample = (flags: Record<string, string>) => withFlags('sample', { model, prompts, out, ...flags });
const optimize = (flags: Record<string, string>) => withFlags('optimize', { model, preferences, out, ...flags });

const missing = damaged('missing-weights', (copy) => rmSync(join(copy, 'model.safetensors')));
const truncated = damagedWeights('truncated', (bytes) => bytes.subarray(0, bytes.length - 100));
const lying = damagedWeights('lying', (bytes) => withHeader(bytes, '[97,48]', '[97,84]'));
const unknown = damaged('unknown', (copy) => {
  const config = readFileSync(join(copy, 'config.json'), 'utf8');
  writeFileSync(join(copy, 'config.json'), config.replace('LlamaForCausalLM', 'MambaForCausalLM'));
});
const speechless = damaged('speechless', (copy) => rmSync(join(copy, 'tokenizer.json')));
const garbled = damaged('garbled', (copy) => writeFileSync(join(copy, 'tokenizer.json'), '{"model": {"type": "BPE"}}'));
const untemplated = damaged('untemplated', (copy) =>
  writeFileSync(join(copy, 'chat_template.jinja'), '{% for m in messages %}'),
);
const config = file(
  'run.yaml',
  'name: test',
  `model: ${model}`,
  'optimise: {}',
  'prompts:',
  `  train: ${prompts}`,
  '  heldOut: 1',
);

const cases: [what: string, args: string[], said: string[]][] = [
  ['weights that are missing', sample({ model: missing }), [join(missing, 'model.safetensors')]],
  ['weights cut short', sample({ model: truncated }), [join(truncated, 'model.safetensors'), 'damaged']],
  ['weights whose header lies', sample({ model: lying }), [join(lying, 'model.safetensors'), '[97,84]']],
  [
    'an unknown architecture',
    sample({ model: unknown }),
    [join(unknown, 'config.json'), 'MambaForCausalLM', 'LlamaForCausalLM'],
  ],
  ['a model without a tokenizer', sample({ model: speechless }), [speechless, 'tokenizer.json']],
  ['a tokenizer that is damaged', sample({ model: garbled }), [join(garbled, 'tokenizer.json'), 'damaged']],
  [
    'a template that is no Jinja',
    sample({ model: untemplated }),
    [join(untemplated, 'chat_template.jinja'), 'no Jinja template'],
  ],
  ['an adapter of another model', sample({ adapter: otherAdapter }), [otherAdapter, 'does not fit the model']],
  ['no prompts', sample({ prompts: path('nowhere.jsonl') }), [path('nowhere.jsonl'), 'does not exist']],
  ['an empty file of prompts', sample({ prompts: file('empty.jsonl') }), [path('empty.jsonl'), 'empty']],
  [
    'a line that is not JSON',
    sample({ prompts: file('broken.jsonl', ...tinyPrompts(2), '{"prompt": "x"') }),
    [`${path('broken.jsonl')} line 3`, 'not JSON'],
  ],
  [
    'a row without a prompt',
    sample({ prompts: file('keyless.jsonl', ...tinyPrompts(1), { id: 'x' }) }),
    [`${path('keyless.jsonl')} line 2`, '"prompt"'],
  ],
  [
    'a prompt that the model cannot take',
    sample({ prompts: file('long.jsonl', { id: 'long', prompt: 'x'.repeat(300) }) }),
    ['"long"', '256'],
  ],
  [
    'preferences of equals alone',
    optimize({ preferences: file('equal.jsonl', { ...preference, rejected: 'a' }) }),
    [path('equal.jsonl'), 'same chosen and rejected response in every row'],
  ],
  [
    'a preference that the objective cannot use',
    optimize({ preferences: file('dpo.jsonl', { ...preference, reference_response: undefined }) }),
    ['Row 1', '"reference_response"', 'dpo'],
  ],
  ['a setting out of range', optimize({ beta: '-1' }), ['--beta -1', '>0']],
  [
    'a KL divergence from nobody',
    withFlags('evaluate', { model, prompts, by: 'verifier', 'kl-samples': '2', out }),
    ['--kl-samples', '--against-base'],
  ],
  ['a setting that is none of its values', optimize({ schedule: 'steep' }), ['--schedule steep', 'cosine']],
  [
    'a LoRA layer that there is not',
    optimize({ 'lora-targets': 'q_proj,z_proj' }),
    ['lora.targets', 'z_proj', 'k_proj'],
  ],
  [
    'settings of a new LoRA adapter where there is one',
    optimize({ adapter: tinyAdapter, 'lora-rank': '4' }),
    ['--lora-rank', `training continues the adapter ${tinyAdapter}`],
  ],
  [
    'settings of a LoRA adapter where all weights are trained',
    [...optimize({ 'lora-alpha': '4' }), '--full'],
    ['--lora-alpha', '--full trains all weights'],
  ],
  ['a training without room for its result', optimize({ out: model }), [model, 'not empty']],
  ['a training into a file', optimize({ out: preferences }), [preferences, 'is a file']],
  ['an input that would be overwritten', sample({ out: prompts }), [`--out ${prompts} would overwrite a file`]],
  [
    'labels over the responses, through a link',
    withFlags('label', { by: 'verifier', in: prompts, out: linkTo(prompts, 'link.jsonl') }),
    [`--out ${path('link.jsonl')} would overwrite a file`],
  ],
  [
    'scores into a folder',
    withFlags('score', { model, in: prompts, out: folder }),
    [`--out ${folder} is a folder; give a file.`],
  ],
  [
    'an evaluation over the prompts',
    withFlags('evaluate', { model, prompts, by: 'verifier', out: prompts }),
    [`--out ${prompts} would overwrite a file`],
  ],
  [
    'IFEval prompts without instructions, before the model is loaded',
    withFlags('ifeval', { model: missing, prompts: file('plain.jsonl', { id: 'p', prompt: 'Hi' }) }),
    ['Prompt "p" has no "instruction_id_list"'],
  ],
  ['IFEval responses into a folder', withFlags('ifeval', { model, out: folder }), ['--out', 'is a folder']],
  [
    'exported outputs over the responses',
    withFlags('export', { format: 'alpaca_eval', in: prompts, generator: 'x', out: prompts }),
    [`--out ${prompts} would overwrite a file`],
  ],
  [
    'MT-Bench answers over the questions',
    withFlags('mt-bench', { model, questions: prompts, out: prompts }),
    [`--out ${prompts} would overwrite a file`],
  ],
  [
    'imported votes over their records',
    ['label', 'import', prompts, '--format', 'argilla', '--out', out, '--votes', prompts],
    [`--votes ${prompts} would overwrite a file`],
  ],
  [
    'two exports in one file',
    ['label', 'export', 'run', '--votes', out, '--preferences', out],
    [`--votes and --preferences are both ${out}`],
  ],
  ['a report into a folder', ['report', 'run', '--out', folder], [`--out ${folder} is a folder; give a file.`]],
  ['an output below a file', sample({ out: join(prompts, 'out') }), ['--out', 'below a file']],
  ['a device that there is not', optimize({ device: 'tpu' }), ['--device', 'tpu', 'cuda']],
  ['GPUs without PyTorch', optimize({ backend: 'onnx', gpus: '2' }), ['--gpus 2', 'backend: torch']],
  ['an unknown flag', sample({ promts: 'x' }), ["'--promts'", '--prompts']],
  ['a required flag that is missing', ['sample', '--model', model, '--out', out], ["'--prompts <file|id>'"]],
  ['an unknown command', ['smaple'], ["'smaple'", 'sample']],
  ['an unknown labeler', ['label', '--by', 'nobody', '--in', prompts, '--out', out], ["'nobody'", 'verifier']],
  ['an unknown key of a configuration', ['run', config], [config, '"optimise"', '"optimize"']],
  ['a policy that is not there', ['policies', 'nobody'], ['There is no policy named "nobody"']],
];

const before = readFileSync(prompts, 'utf8');

test.concurrent.each(cases)('%s is refused in one sentence', async (_what, args, said) => {
  const { code, stdout, stderr } = await selm(args, {});
  expect(stderr).toMatch(/^selm: .+\n$/);
  for (const part of said) expect(stderr).toContain(part);
  expect(stdout).toBe('');
  expect(code).toBe(2);
  expect(readFileSync(prompts, 'utf8')).toBe(before);
});

test('an unhandled error of a user module ends the command with one sentence', async () => {
  const source =
    'export default () => { void Promise.reject(new Error("one\\ntwo")); return new Promise(() => setInterval(() => {}, 1000)); };\n';
  writeFileSync(path('stray.mjs'), source);
  const responses = [{ text: 'a' }, { text: 'b' }];
  const input = file('answers.jsonl', ...tinyPrompts(1).map((prompt) => ({ ...prompt, responses })));
  const labeler = file('stray.yaml', `path: ${path('stray.mjs')}`);
  const { code, stderr } = await selm(
    withFlags('label', { by: 'module', 'label-config': labeler, in: input, out: path('labels.jsonl') }),
    {},
  );
  expect([code, stderr]).toEqual([1, 'selm: one two\n']);
});
