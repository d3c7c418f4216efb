/** `selm doctor`: no network, no GPU. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { estimateRun, type Estimate } from '../../workers/machine/estimate.ts';
import { loadConfig } from '../../config/load.ts';
import { selm, summaryOf, type Ended } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { pathWithNvidiaSmi } from '../fake-gpus.ts';
import { fixture } from '../engine/reference-case.ts';
import { describeTorch } from '../engine/torch/environment.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
afterEach(() => vi.unstubAllEnvs());
const examples = fileURLToPath(new URL('../../examples', import.meta.url));
// Names that do not resolve, so any request to the hub fails.
const env = { SELM_HOME: join(folder, 'home'), HF_ENDPOINT: 'http://127.0.0.1:9' };

tinyModel(join(folder, 'model'));
writeFileSync(
  join(folder, 'train.jsonl'),
  tinyPrompts(40)
    .map((row) => `${JSON.stringify(row)}\n`)
    .join(''),
);

function writeConfig(name: string, changes: object): string {
  const file = join(folder, `${name}.yaml`);
  const prompts = { train: './train.jsonl', heldOut: 10 };
  const [sample, evaluate] = [{ maxNewTokens: 64 }, { maxNewTokens: 64 }];
  writeFileSync(file, stringify({ name, model: './model', prompts, rounds: 3, sample, evaluate, ...changes }));
  return file;
}

/** The checks of this machine, made once: they train a model with PyTorch for a step. */
const machine = selm(['doctor', '--json'], env);
const checksOf = (ended: Ended) => summaryOf<{ checks: { what: string; found: string }[]; problems: string[] }>(ended);

test('this machine is fit: the tests run on it', async () => {
  const ended = await machine;
  expect(ended.code, ended.stderr).toBe(0);
  const { checks, problems } = checksOf(ended);
  expect(problems).toEqual([]);
  expect(checks.find(({ what }) => what === 'Node')!.found).toBe(process.versions.node);
  expect(checks.find(({ what }) => what === 'ONNX Runtime')!.found).toContain('cpu');
});

describeTorch('PyTorch', () => {
  test('trains a small model for a step', async () => {
    const { checks } = checksOf(await machine);
    expect(checks.find(({ what }) => what === 'PyTorch')!.found).toMatch(/^torch \d.*; trains on cpu \(/);
  });
});

/** A PATH whose nvidia-smi lists `gpus` H100. */
function withGpus(gpus: number): string {
  const lines = Array.from({ length: gpus }, (_, i) => `echo "${i}, GPU-${i}, 81559, 0, NVIDIA H100 80GB HBM3"`);
  return pathWithNvidiaSmi(join(folder, `bin-${gpus}`), lines.join('\n'));
}

test('the GPUs, their memory and the models that fit on them; PyTorch is missing there', async () => {
  vi.stubEnv('SELM_PYTHON', undefined);
  const SELM_CACHE = join(folder, 'empty-cache');
  const ended = await selm(['doctor', '--json'], { ...env, SELM_CACHE, PATH: withGpus(8) });
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/^selm: PyTorch is not installed for selm: run selm torch install/);
  const { checks } = summaryOf<{ checks: { what: string; found: string }[] }>(ended);
  const found = (name: string) => checks.find(({ what }) => what === name)!.found;
  expect(found('GPUs')).toBe(Array(8).fill('NVIDIA H100 80GB HBM3 (85.5 GB)').join(', '));
  expect(found('fits, LoRA')).toContain('Llama-3-70B');
  // 16 bytes a parameter on 8 GPUs: 64 GB of each for 32 billion, and 140 GB for 70 billion.
  expect(found('fits, all weights')).toContain('Llama-2-13B');
  expect(found('fits, all weights')).not.toContain('70B');
});

test('a run that cannot fit on the GPUs is refused before it starts, with what would fit', async () => {
  const zephyr = join(examples, 'zephyr-7b.yaml');
  const run = (gpus: number, ...set: string[]) =>
    selm(['run', zephyr, ...set.flatMap((setting) => ['--set', setting])], { ...env, PATH: withGpus(gpus) });
  expect(await run(4)).toMatchObject({
    code: 2,
    stderr: 'selm: gpus: 8 is more than the 4 GPUs of this machine: set gpus: 4.\n',
  });
  expect((await run(1, 'gpus=1')).stderr).toMatch(
    /^selm: optimize needs an estimated \d+\.\d GB on each of 1 GPU, and NVIDIA H100 80GB HBM3 has 85\.5 GB, of which a tenth stays free: set gpus: 2, optimize\.microBatchTokens: 8192; or optimize\.full: false \(a LoRA adapter\)\.\n$/,
  );
  const doctor = await selm(['doctor', zephyr], { ...env, PATH: withGpus(4) });
  expect([doctor.code, doctor.stderr]).toEqual([2, expect.stringContaining('gpus: 8 is more than the 4 GPUs')]);
  expect(doctor.stdout).toMatch(/workers *│ node/);
  expect((await run(0)).stderr).toMatch(/^selm: device: cuda needs NVIDIA GPUs, and nvidia-smi shows none/);
  const elsewhere = await selm(['doctor', zephyr, '--json'], { ...env, PATH: withGpus(0) });
  expect([elsewhere.code, elsewhere.stderr]).toEqual([0, '']);
  expect(summaryOf<Estimate>(elsewhere).warnings).toContainEqual(
    expect.stringMatching(/^device: cuda needs NVIDIA GPUs, and nvidia-smi shows none on this machine/),
  );
});

test('several processes on the CPU are a warning: they go to workers with GPUs, and use none', async () => {
  const ofCpu = ['backend=torch', 'device=cpu', 'gpus=4'].flatMap((setting) => ['--set', setting]);
  const ended = await selm(['doctor', writeConfig('processes', {}), '--json', ...ofCpu], env);
  expect(ended.code, ended.stderr).toBe(0);
  expect(summaryOf<Estimate>(ended).warnings).toContain(
    'gpus: 4 with device: cpu starts 4 processes on the CPU and uses no GPU: set device: cuda, or leave gpus out.',
  );
});

test('reports what the rounds of a configuration need', async () => {
  const ended = await selm(['doctor', writeConfig('fit', {}), '--json', '--price', '2', '--tflops', '0.001'], env);
  expect(ended.code, ended.stderr).toBe(0);
  const estimate = summaryOf<Estimate>(ended);
  // The reference model's parameters (test/fixtures/reference), and 30 prompts in three rounds.
  expect([estimate.promptsPerRound, estimate.heldOut]).toEqual([10, 10]);
  // 'Write 7.' has 8 characters, of two digits 9, and the template adds three tokens: 11 of ten prompts, 12 of thirty.
  expect(estimate.promptTokens).toEqual({ mean: 11.75, longest: 12 });
  const { sample, optimize, evaluate } = estimate.hours!;
  expect(sample).toBeCloseTo((2 * estimate.parameters! * 10 * (11.75 + 64)) / 1e9 / 3600, 12);
  expect(estimate.costPerRound).toBeCloseTo(2 * (sample! + optimize + evaluate!), 12);
});

test('settings can be replaced, as for a run', async () => {
  const file = writeConfig('replaced', {});
  const estimates = await Promise.all(
    [[], ['--set', 'rounds=2']].map(async (set) => {
      const ended = await selm(['doctor', file, '--json', ...set], env);
      expect(ended.code, ended.stderr).toBe(0);
      return summaryOf<Estimate>(ended);
    }),
  );
  expect(estimates.map(({ promptsPerRound }) => promptsPerRound)).toEqual([10, 15]);
});

test.each([
  ['--set', 'rounds=2'],
  ['--price', '3'],
])('%s without a configuration is refused', async (...flag) => {
  const { code, stderr } = await selm(['doctor', ...flag], env);
  expect([code, stderr]).toEqual([
    2,
    `selm: ${flag[0]} is for the check of a configuration: selm doctor run.yaml ${flag[0]} …\n`,
  ]);
});

test('a step that needs more memory than this machine has gets a warning', async () => {
  const optimize = { microBatchTokens: 1e12 };
  const ended = await selm(['doctor', writeConfig('large', { optimize }), '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  expect(summaryOf<Estimate>(ended).warnings.slice(1)).toEqual([
    expect.stringMatching(/^optimize needs an estimated \d+\.\d GB of memory, and this machine has \d+\.\d GB\.$/),
  ]);
});

test('hours of evaluate are absent while the number of held-out prompts is unknown', async () => {
  const prompts = { train: './train.jsonl', heldOut: 'org/held-out', perRound: 10 };
  const { hours, costPerRound } = await estimateRun(loadConfig(writeConfig('remote', { prompts })), { price: 2 });
  expect(Object.keys(hours!)).toEqual(['sample', 'optimize']);
  expect(costPerRound).toBeCloseTo(2 * (hours!.sample! + hours!.optimize), 12);
});

test('a round that has too few prompts for its votes gets a warning, and gold questions are checked', async () => {
  const optimize = { batchSize: 2, epochs: 2 };
  const label = { by: 'people', votes: 300, overlap: 0.2, gold: './train.jsonl', otherwise: { by: 'verifier' } };
  const estimate = await estimateRun(loadConfig(writeConfig('asked', { optimize, label })), { tflops: 1 });
  expect(estimate.warnings).toEqual([
    expect.stringMatching(
      /^label\.votes is 300, but a round asks for at most 14 votes: one question for each of its 10 prompts;/,
    ),
  ]);
  expect(estimate.problems).toEqual([expect.stringMatching(/train\.jsonl.*"chosen"/)]);
});

test('a round with few optimizer steps gets a warning, which is not a problem', async () => {
  const warning =
    'A round has at most 1 optimizer step (10 prompts, batch size 128, 1 epoch): lower optimize.batchSize, or raise optimize.epochs or the number of prompts a round.';
  const ended = await selm(['doctor', writeConfig('few', {}), '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  expect(summaryOf<Estimate>(ended)).toMatchObject({ optimizerSteps: 1, warnings: [warning] });
  expect(ended.stdout).toContain('A round has at most 1 optimizer step');
  const enough = loadConfig(writeConfig('enough', { optimize: { batchSize: 2, epochs: 2 } }));
  expect(await estimateRun(enough, { tflops: 1 })).toMatchObject({ optimizerSteps: 10, warnings: [] });
});

test('benchmarks that cannot run are problems, and programs that are missing here are warnings', async () => {
  const benchmarks = ['ifeval', { 'lm-eval': { tasks: ['mine'], includePath: './tasks' } }];
  const file = writeConfig('benchmarked', { optimize: { batchSize: 2, epochs: 2 }, evaluate: { benchmarks } });
  const SELM_CACHE = join(folder, 'empty-cache');
  const ended = await selm(['doctor', file, '--json'], { ...env, SELM_CACHE });
  expect(ended.code).toBe(2);
  const { problems, warnings } = summaryOf<Estimate>(ended);
  expect(problems.slice(-2)).toEqual([
    expect.stringMatching(
      /^The benchmark ifeval cannot run: .* more than the 0 that ifeval.maxNewTokens \(1280\) leaves of the model's 256 positions \(541/,
    ),
    `The benchmark lm-eval cannot run: The folder ${join(folder, 'tasks')} cannot be read (ENOENT): ` +
      'change includePath in evaluate.benchmarks.',
  ]);
  expect(warnings).toEqual([
    expect.stringMatching(/^lm-evaluation-harness is not installed for selm: run selm benchmarks/),
  ]);
});

test('an adapter that cannot be used is a problem', async () => {
  const adapted = loadConfig(writeConfig('adapted', { adapter: fixture('adapters/refused/pissa') }));
  expect((await estimateRun(adapted, { tflops: 1 })).problems).toEqual([
    expect.stringContaining('adapter_config.json: an adapter with init_lora_weights "pissa" belongs on base weights'),
  ]);
  const fit = loadConfig(writeConfig('adapted', { adapter: fixture('adapters/loaded/plain') }));
  expect((await estimateRun(fit, { tflops: 1 })).problems).toEqual([]);
});

test("what a server samples with is not this machine's", async () => {
  const server = { url: 'http://gpu.internal:8000/v1', model: 'org/model' };
  const ended = await selm(['doctor', writeConfig('served', { sample: { server, maxNewTokens: 64 } }), '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  const { sample, hours, unknown } = summaryOf<Estimate>(ended);
  expect([sample, hours!.sample]).toEqual([undefined, undefined]);
  expect(hours!.optimize).toBeGreaterThan(0);
  expect(unknown).toEqual([
    'Memory and time of sampling depend on the server at http://gpu.internal:8000/v1, to which selm doctor sends no ' +
      `request; its model "org/model" must be ${join(folder, 'model')}.`,
  ]);
});

const oneLong = fileURLToPath(new URL('../fixtures/one-long-prompt', import.meta.url));

test('prompts that the run would leave out are counted, and lengths are those of transformers', async () => {
  const ended = await selm(['doctor', join(oneLong, 'run.yaml'), '--json'], env);
  expect(ended.code, ended.stderr).toBe(0);
  const { dropped, promptTokens, promptsPerRound, heldOut, unknown } = summaryOf<Estimate>(ended);
  const lengths = (JSON.parse(readFileSync(join(oneLong, 'lengths.json'), 'utf8')) as number[]).filter(
    (length) => length <= 504,
  );
  expect(lengths).toHaveLength(11);
  expect(promptTokens!.mean).toBeCloseTo(lengths.reduce((sum, length) => sum + length, 0) / 11, 10);
  expect(promptTokens!.longest).toBe(Math.max(...lengths));
  expect([promptsPerRound, heldOut, unknown]).toEqual([3, 4, []]);
  expect(dropped!.train).toEqual({ duplicates: 0, tooLong: 1, limit: 504, heldOut: 0 });
  expect(ended.stdout).toMatch(/dropped training prompts *│ 1 longer than 504 tokens/);
});

test.each([
  ['held-out-string-against-message', 'tr', './ho_conv.jsonl', { duplicates: 0, heldOut: 3 }, [1, 3]],
  ['held-out-with-a-space', 'tr', './ho_ws.jsonl', { duplicates: 0, heldOut: 3 }, [1, 3]],
  ['repeated', 'dup', 4, { duplicates: 6, heldOut: 0 }, [2, 4]],
])('%s: the case of the issue', async (name, train, heldOut, dropped, counts) => {
  const cases = fileURLToPath(new URL('../fixtures/held-out-again/', import.meta.url));
  const prompts = {
    train: `${cases}${train}.jsonl`,
    heldOut: typeof heldOut === 'string' ? join(cases, heldOut) : heldOut,
  };
  const label = { by: 'regex', pattern: 'e' };
  const estimate = await estimateRun(loadConfig(writeConfig(name, { prompts, label })), { tflops: 1 });
  expect(estimate.problems).toEqual([]);
  expect(estimate.dropped!.train).toMatchObject(dropped);
  expect([estimate.promptsPerRound, estimate.heldOut]).toEqual(counts);
});

test('a model in the cache of the hub is looked into, one that is not is not asked for', async () => {
  const hub = join(folder, 'hub');
  const prompts = { train: './train.jsonl', heldOut: 10 };
  const file = writeConfig('cached', { model: 'org/tiny', prompts });
  const doctor = async () => summaryOf<Estimate>(await selm(['doctor', file, '--json'], { ...env, HF_HUB_CACHE: hub }));
  const before = await doctor();
  expect(before.dropped).toBeUndefined();
  expect(before.unknown[0]).toMatch(/^The shape of org\/tiny is unknown before it is downloaded/);
  expect(before.unknown[1]).toBe(
    'Prompts are not checked (too long, repeated, held out and trained on): org/tiny is not on this machine.',
  );
  tinyModel(join(hub, 'models--org--tiny', 'snapshots', 'a'.repeat(40)));
  const { promptTokens, parameters, unknown } = await doctor();
  expect([promptTokens, unknown]).toEqual([{ mean: 11.75, longest: 12 }, []]);
  expect(parameters).toBeGreaterThan(0);
});

test('what is wrong with a configuration is said, with exit code 2', async () => {
  const { code, stderr } = await selm(
    ['doctor', writeConfig('unfit', { prompts: { train: './train.jsonl', heldOut: 10, perRound: 20 } })],
    env,
  );
  expect(code).toBe(2);
  expect(stderr).toMatch(/^selm: \S+train\.jsonl leaves 30 prompts to train on, too few for 3 rounds of 20/);
  const missing = await selm(['doctor', writeConfig('missing', { model: './nowhere' })], env);
  expect([missing.code, missing.stderr]).toEqual([
    2,
    `selm: ${join(folder, 'nowhere', 'config.json')} does not exist: give a Hugging Face model folder.\n`,
  ]);
});

test('a tokenizer that is damaged is told by its file', async () => {
  writeFileSync(join(tinyModel(join(folder, 'garbled')), 'tokenizer.json'), '{"model": {"type": "BPE"}}');
  const garbled = await selm(['doctor', writeConfig('garbled', { model: './garbled' })], env);
  expect([garbled.code, garbled.stderr]).toEqual([
    2,
    expect.stringMatching(/^selm: \S+garbled\/tokenizer\.json is damaged[^\n]*\n$/),
  ]);
});

test.each([
  ['label', { label: { by: 'verifier' } }, 'wrong-kwargs.jsonl', './train.jsonl'],
  ['a part of label', { label: { by: 'combine', of: [{ by: 'verifier' }] } }, 'wrong-kwargs.jsonl', './train.jsonl'],
  [
    'evaluate.labeler',
    { label: { by: 'regex', pattern: 'e' }, evaluate: { maxNewTokens: 64, labeler: { by: 'verifier' } } },
  ],
  [
    'evaluate.secondJudge',
    { label: { by: 'regex', pattern: 'e' }, evaluate: { maxNewTokens: 64, secondJudge: { by: 'verifier' } } },
  ],
])('a prompt that the labeler of %s cannot use is a problem', async (_, settings, ...files) => {
  const row = { id: 'a', prompt: 'a', instruction_id_list: ['length_constraints:number_words'], kwargs: { array: [] } };
  writeFileSync(join(folder, 'wrong-kwargs.jsonl'), `${JSON.stringify(row)}\n`);
  const [train = 'train.jsonl', heldOut = './wrong-kwargs.jsonl'] = files;
  const config = loadConfig(
    writeConfig('unlabelable', { rounds: 1, ...settings, prompts: { train: `./${train}`, heldOut } }),
  );
  expect((await estimateRun(config, { tflops: 1 })).problems).toEqual([
    'Prompt "a" has a wrong "kwargs": expected array, received object.',
  ]);
});

test('a file of prompts that is missing is a problem, and nothing that is known later', async () => {
  const file = writeConfig('without-prompts', { prompts: { train: './absent.jsonl', heldOut: './held.jsonl' } });
  const ended = await selm(['doctor', file, '--json'], env);
  expect(ended.code).toBe(2);
  expect(ended.stderr.trim().split('\n').sort()).toEqual(
    ['absent', 'held'].map((name) => `selm: ${join(folder, name)}.jsonl does not exist; check the path.`),
  );
  expect(summaryOf<Estimate>(ended).unknown).toEqual([]);
});

test('a small model has parameters, bytes and hours that are not 0', async () => {
  const { stdout } = await selm(['doctor', writeConfig('small', {})], env);
  const { parameters } = await estimateRun(loadConfig(writeConfig('small', {})), { tflops: 100 });
  expect(parameters).toBeLessThan(1e6);
  expect(stdout).toMatch(new RegExp(`parameters *│ ${parameters!.toLocaleString('en')} `));
  expect(stdout).toMatch(/workers *│ single/);
  expect(stdout).toMatch(/memory of optimize *│ [\d.]+ MB: /);
  expect(stdout).toMatch(/hours a round *│ sample less than 0\.01, optimize less than 0\.01/);
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
    const estimate = await estimateRun(config, {});
    expect(estimate.problems).toEqual([]);
    expect(estimate.promptsPerRound! * config.rounds).toBeLessThanOrEqual(61_135);
    expect(estimate.parameters).toBe(file.startsWith('zephyr') ? 7_241_732_096 : 8_030_261_248);
    // arXiv 2405.19332, section 5.1 and appendix.
    const { objective, learningRate, batchSize, full } = config.optimize;
    expect(objective).toEqual({ name: 'selm', beta: 0.01, alpha: file.startsWith('zephyr') ? 1e-3 : 1e-4 });
    expect([learningRate, batchSize, full, config.rounds]).toEqual([[5e-7, 3e-7, 1e-7], 128, true, 3]);
  },
);
