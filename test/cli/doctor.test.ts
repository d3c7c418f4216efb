/** `selm doctor`: no network, no GPU. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { estimateRun, type Estimate } from '../../workers/estimate.ts';
import { loadConfig } from '../../workflows/config.ts';
import { selm, summaryOf } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { fixture } from '../engine/reference-case.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const examples = fileURLToPath(new URL('../../examples', import.meta.url));
// Names that resolve nowhere: whoever asks the hub fails.
const env = { SELM_HOME: join(folder, 'home'), HF_ENDPOINT: 'http://127.0.0.1:9' };

tinyModel(join(folder, 'model'));
writeFileSync(join(folder, 'train.jsonl'), tinyPrompts(40).map((row) => `${JSON.stringify(row)}\n`).join('')); // prettier-ignore

function writeConfig(name: string, changes: object): string {
  const file = join(folder, `${name}.yaml`);
  const prompts = { train: './train.jsonl', heldOut: 10 };
  writeFileSync(file, stringify({ name, model: './model', prompts, rounds: 3, ...changes }));
  return file;
}

test('this machine is fit: the tests run on it', async () => {
  const ended = await selm(['doctor', '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  const { checks, problems } = summaryOf<{ checks: { what: string; found: string }[]; problems: string[] }>(ended);
  expect(problems).toEqual([]);
  expect(checks.find(({ what }) => what === 'Node')!.found).toBe(process.versions.node);
  expect(checks.find(({ what }) => what === 'ONNX Runtime')!.found).toContain('cpu');
});

test('a configuration is told what its rounds need', async () => {
  const ended = await selm(['doctor', writeConfig('fit', {}), '--json', '--price', '2', '--tflops', '0.001'], env);
  expect(ended.code, ended.stderr).toBe(0);
  const estimate = summaryOf<Estimate>(ended);
  // The reference model's parameters (test/fixtures/reference), and 30 prompts in three rounds.
  expect([estimate.promptsPerRound, estimate.heldOut]).toEqual([10, 10]);
  const { sample, optimize, evaluate } = estimate.hours!;
  expect(sample).toBeCloseTo((2 * estimate.parameters! * 10 * (512 + 512)) / 1e9 / 3600, 12);
  expect(estimate.costPerRound).toBeCloseTo(2 * (sample! + optimize + evaluate), 12);
});

test('a round of few optimizer steps is told of, and is no problem', async () => {
  const warning = 'A round has at most 1 optimizer step (10 prompts, batch size 128, 1 epoch): lower optimize.batchSize, or raise optimize.epochs or the number of prompts a round.'; // prettier-ignore
  const ended = await selm(['doctor', writeConfig('few', {}), '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  expect(summaryOf<Estimate>(ended)).toMatchObject({ optimizerSteps: 1, warnings: [warning] });
  expect(ended.stdout).toContain('A round has at most 1 optimizer step');
  const enough = loadConfig(writeConfig('enough', { optimize: { batchSize: 2, epochs: 2 } }));
  expect(await estimateRun(enough, { tflops: 1 })).toMatchObject({ optimizerSteps: 10, warnings: [] });
});

test('an adapter that cannot be used is a problem', async () => {
  const adapted = loadConfig(writeConfig('adapted', { adapter: fixture('adapters/refused/pissa') }));
  expect((await estimateRun(adapted, { tflops: 1 })).problems).toEqual([expect.stringContaining('adapter_config.json: an adapter with init_lora_weights "pissa" belongs on base weights')]); // prettier-ignore
  const fit = loadConfig(writeConfig('adapted', { adapter: fixture('adapters/loaded/plain') }));
  expect((await estimateRun(fit, { tflops: 1 })).problems).toEqual([]);
});

test("what a server samples with is not this machine's", async () => {
  const server = { url: 'http://gpu.internal:8000/v1', model: 'org/model' };
  const ended = await selm(['doctor', writeConfig('served', { sample: { server } }), '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  const { sample, hours, unknown } = summaryOf<Estimate>(ended);
  expect([sample, hours!.sample]).toEqual([undefined, undefined]);
  expect(hours!.optimize).toBeGreaterThan(0);
  expect(unknown).toEqual([`Memory and time of sampling are those of the server at http://gpu.internal:8000/v1, which is not asked; its model "org/model" must be ${join(folder, 'model')}.`]); // prettier-ignore
});

test('what is wrong is said, with exit code 1', async () => {
  const { code, stderr } = await selm(['doctor', writeConfig('unfit', { prompts: { train: './train.jsonl', heldOut: 10, perRound: 20 } })], env); // prettier-ignore
  expect(code).toBe(1);
  expect(stderr).toMatch(/^selm: \S+train\.jsonl leaves 30 prompts to train on, too few for 3 rounds of 20/);
  const missing = await selm(['doctor', writeConfig('missing', { model: './nowhere' })], env);
  expect([missing.code, missing.stderr]).toEqual([1, `selm: ${join(folder, 'nowhere', 'config.json')} does not exist: give a Hugging Face model folder.\n`]); // prettier-ignore
});

test('a configuration that is none ends with exit code 2', async () => {
  const { code, stderr } = await selm(['doctor', writeConfig('typo', { samples: {} })], env);
  expect(code).toBe(2);
  expect(stderr).toContain('there is no key "samples"');
});

test.each(readdirSync(examples).filter((file) => /^(zephyr|llama).*\.yaml$/.test(file)))(
  "%s has the paper's settings and sizes",
  async (file) => {
    const config = loadConfig(join(examples, file));
    expect(config.label).toMatchObject({ by: 'pairrm', model: 'llm-blender/PairRM-hf' });
    const estimate = await estimateRun(config, { tflops: 100, weightBytes: 2 });
    expect(estimate.problems).toEqual([]);
    expect(estimate.promptsPerRound! * config.rounds).toBeLessThanOrEqual(61_135);
    expect(estimate.parameters).toBe(file.startsWith('zephyr') ? 7_241_732_096 : 8_030_261_248);
    // arXiv 2405.19332, section 5.1 and appendix.
    const { objective, learningRate, batchSize, full } = config.optimize;
    expect(objective).toEqual({ name: 'selm', beta: 0.01, alpha: file.startsWith('zephyr') ? 1e-3 : 1e-4 });
    expect([learningRate, batchSize, full, config.rounds]).toEqual([[5e-7, 3e-7, 1e-7], 128, true, 3]);
  },
);
