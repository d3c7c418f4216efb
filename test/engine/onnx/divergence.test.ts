/** KL divergences of two policies against transformers' and PEFT's (see test/fixtures/kl), and what they must be whatever the policies. */
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LocalEngine } from '../../../engine/onnx/engine.ts';
import { JobAborted } from '../../../engine/protocol/errors.ts';
import type { DivergenceJob, Policy } from '../../../engine/protocol/jobs.ts';
import { layersOf } from '../../../engine/model-files/linear-layers.ts';
import { readLlamaConfig } from '../../../engine/model-files/llama-config.ts';
import { readAdapter, writeAdapter } from '../../../engine/model-files/lora.ts';
import { openModelFolder } from '../../../engine/model-files/model.ts';
import { openSafetensors, readTensorF32, writeSafetensors } from '../../../engine/model-files/safetensors.ts';
import { CHUNK_LOGITS } from '../../../engine/estimate.ts';
import { uniformStream } from '../../../data/random.ts';
import { temporaryFolder } from '../../temporary.ts';
import { fixture, readJson, referenceCase, undisturbed } from '../reference-case.ts';
import { parameterShapes } from '../../../engine/model-files/shapes.ts';

const folder = temporaryFolder();
const engine = new LocalEngine();
afterAll(() => engine.close());

interface Row {
  prompt: number[];
  response: number[];
}
type Name = [model: string, adapter: string | null];
const { rows, cases, wide } = readJson<{
  rows: Row[];
  cases: { policy: Name; reference: Name; kl: number[] }[];
  wide: { rows: Row[]; kl: number[] };
}>(fixture('kl/kl.json'));

const tokenized = (of: Row[]) =>
  of.map(({ prompt, response }) => ({ prompt_input_ids: prompt, response_input_ids: response }));
const measure = (policy: Policy, reference: Policy, of: Row[] = rows, others: Partial<DivergenceJob> = {}) =>
  engine.run('divergence', { policy, reference, rows: tokenized(of), threads: 2, ...others }, undisturbed);

/** A model folder of the case, with what training has added to its weights. */
function trainedModel(name: string, scale = 1): string {
  const target = join(folder, `full-${name}-${scale}`);
  const model = fixture(`reference/${name}/model`);
  mkdirSync(target, { recursive: true });
  copyFileSync(join(model, 'config.json'), join(target, 'config.json'));
  const added = openSafetensors(fixture(`full-fine-tuning/${name}.safetensors`));
  const tensors = [...openSafetensors(join(model, 'model.safetensors')).values()].map((entry) => {
    const change = readTensorF32(added.get(entry.name)!);
    const data = readTensorF32(entry).map((weight, i) => weight + scale * change[i]);
    return { name: entry.name, dtype: 'F32' as const, shape: entry.shape, data };
  });
  writeSafetensors(join(target, 'model.safetensors'), tensors);
  return target;
}

function policyOf([model, adapter]: Name): Policy {
  if (model === 'full') return { model: trainedModel(adapter!) };
  const at = fixture(`reference/${model}`);
  return { model: join(at, 'model'), ...(adapter !== null && { adapter: join(at, adapter) }) };
}

test.each(cases)('of $policy from $reference is that of PyTorch', async ({ policy, reference, kl }) => {
  const result = await measure(policyOf(policy), policyOf(reference));
  expect(result.map(({ tokens }) => tokens)).toEqual(rows.map(({ response }) => response.length));
  for (const [i, divergence] of result.entries()) expect(Math.abs(divergence.kl - kl[i])).toBeLessThan(1e-4);
});

/** As hashed() of make_kl.py. */
const hashed = (count: number, salt: number) =>
  Float32Array.from({ length: count }, (_, i) => (((Math.imul(i + 1 + salt, 2654435761) >>> 16) % 251) - 125) / 256);

function wideModel(salt: number): string {
  const target = join(folder, `wide-${salt}`);
  mkdirSync(target);
  const config = JSON.parse(readFileSync(fixture('reference/llama-tied/model/config.json'), 'utf8')) as object;
  const size = {
    vocab_size: 60_000,
    hidden_size: 8,
    intermediate_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 4,
    max_position_embeddings: 512,
    rope_parameters: { rope_theta: 10000, rope_type: 'default' },
  };
  writeFileSync(join(target, 'config.json'), JSON.stringify({ ...config, ...size }));
  const tensors = [...parameterShapes(readLlamaConfig(target))].map(([name, shape]) => {
    const data = hashed(
      shape.reduce((a, b) => a * b),
      salt,
    );
    return { name, dtype: 'F32' as const, shape, data: shape.length === 1 ? data.map((weight) => weight + 1) : data };
  });
  writeSafetensors(join(target, 'model.safetensors'), tensors);
  return target;
}

test('whose logits are several chunks is that of PyTorch', async () => {
  const tokens = wide.rows.reduce((total, { response }) => total + response.length, 0);
  expect(tokens * 60_000).toBeGreaterThan(CHUNK_LOGITS);
  const result = await measure({ model: wideModel(0) }, { model: wideModel(3) }, wide.rows);
  for (const [i, { kl }] of result.entries()) expect(Math.abs(kl - wide.kl[i])).toBeLessThan(1e-4);
});

/** Responses of many lengths, more than one pass holds; some share their prompt. */
const next = uniformStream('divergence');
const ids = (count: number) => Array.from({ length: count }, () => 3 + Math.floor(94 * next()));
const sharedPrompt = ids(12);
const many: Row[] = Array.from({ length: 60 }, (_, i) => ({
  prompt: i % 3 ? ids(1 + Math.floor(40 * next())) : sharedPrompt,
  response: ids(1 + Math.floor(90 * next())),
}));

const { policy, reference, model } = referenceCase('llama');

test('of many rows is that of each alone, in their order, and the same to the bit again', async () => {
  const together = await measure(policy, reference, many);
  for (const [i, row] of many.entries()) {
    const [alone] = await measure(policy, reference, [row]);
    expect(Math.abs(together[i].kl - alone.kl), `row ${i}`).toBeLessThan(1e-4);
  }
  const another = new LocalEngine();
  const again = await another.run('divergence', { policy, reference, rows: tokenized(many), threads: 2 }, undisturbed);
  await another.close();
  expect(again).toEqual(together);
});

test('is never negative at any token, however near the policies are', async () => {
  const single = many.map(({ prompt, response }) => ({ prompt, response: response.slice(0, 1) }));
  const near = { model: trainedModel('llama-tied', 1e-4) };
  for (const [p, q] of [
    [policy, reference],
    [reference, policy],
    [near, { model: referenceCase('llama-tied').model }],
  ]) {
    for (const { kl } of await measure(p, q, single)) expect(kl).toBeGreaterThanOrEqual(0);
  }
});

test('is quadratic in a small change of the weights: float32 rounding does not hide it', async () => {
  const base = { model: referenceCase('llama-tied').model };
  const totals: number[] = [];
  for (const scale of [2 ** -6, 2 ** -7]) {
    const measured = await measure({ model: trainedModel('llama-tied', scale) }, base, many);
    totals.push(measured.reduce((sum, { kl }) => sum + kl, 0));
  }
  expect(totals[0] / totals[1]).toBeGreaterThan(3.8);
  expect(totals[0] / totals[1]).toBeLessThan(4.2);
});

test('of a policy from itself is 0 exactly', async () => {
  const copied = join(folder, 'copied');
  cpSync(model, copied, { recursive: true });
  const untrained = join(folder, 'untrained');
  const adapter = readAdapter(policy.adapter, layersOf(openModelFolder(model)));
  const matrices = [...adapter.matrices].map(
    ([layer, { b, ...rest }]) => [layer, { ...rest, b: b.map(() => 0) }] as const,
  );
  writeAdapter(untrained, { ...adapter, matrices: new Map(matrices) });
  const same: [Policy, Policy][] = [
    [policy, policy],
    [{ model }, { model: copied }],
    [policy, { ...policy, model: copied }],
    [{ model, adapter: untrained }, { model }],
  ];
  for (const [p, q] of same) for (const { kl } of await measure(p, q, many)) expect(kl).toBe(0);
});

test('of a response without tokens is 0, and leaves the others alone', async () => {
  const [first, second] = await measure(policy, reference, rows.slice(0, 2));
  const empty = { prompt: rows[0].prompt, response: [] };
  expect(await measure(policy, reference, [empty, rows[0], empty, rows[1]])).toEqual([
    { kl: 0, tokens: 0 },
    first,
    { kl: 0, tokens: 0 },
    second,
  ]);
  expect(await measure(policy, reference, [empty])).toEqual([{ kl: 0, tokens: 0 }]);
});

test('tells how far it is, and stops between passes', async () => {
  const done: number[] = [];
  const job = { policy, reference, rows: tokenized(many), threads: 2 };
  await engine.run('divergence', job, { ...undisturbed, onProgress: (progress) => done.push(progress.done) });
  expect(done.length).toBeGreaterThan(1);
  expect(done.at(-1)).toBe(many.length);
  let asked = 0;
  const stopped = engine.run('divergence', job, { ...undisturbed, aborted: () => asked++ > 0 });
  await expect(stopped).rejects.toThrow(JobAborted);
});

test('is refused where the vocabularies differ, and where the reference policy has no room for a row', async () => {
  const [small, short] = ['small', 'short'].map((name) => join(folder, name));
  const changes: [string, Record<string, number>][] = [
    [small, { vocab_size: 96 }],
    [short, { max_position_embeddings: 64 }],
  ];
  for (const [target, change] of changes) {
    mkdirSync(target);
    const config = { ...readJson<{ vocab_size: number }>(join(model, 'config.json')), ...change };
    writeFileSync(join(target, 'config.json'), JSON.stringify(config));
    const tensors = [...openSafetensors(join(model, 'model.safetensors')).values()].map((entry) => {
      const shape = entry.shape[0] === 97 ? [config.vocab_size, entry.shape[1]] : entry.shape;
      const data = readTensorF32(entry).subarray(
        0,
        shape.reduce((a, b) => a * b),
      );
      return { name: entry.name, dtype: 'F32' as const, shape, data };
    });
    writeSafetensors(join(target, 'model.safetensors'), tensors);
  }
  await expect(measure({ model }, { model: small })).rejects.toThrow(/has a vocabulary of 97 tokens, .* one of 96/);
  await expect(measure({ model }, { model: short })).rejects.toThrow(
    /^Row 4: a sequence of 143 tokens is longer than the model's 64 positions/,
  );
});
