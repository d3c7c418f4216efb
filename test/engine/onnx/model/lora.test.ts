import { createHash } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../../data/errors.ts';
import { layersOf } from '../../../../engine/model-files/linear-layers.ts';
import { readLlamaConfig } from '../../../../engine/model-files/llama-config.ts';
import { openLlamaFolder, openModelFolder } from '../../../../engine/model-files/model.ts';
import { exportModel } from '../../../../engine/onnx/jobs/export.ts';
import { mergeAdapter, writeModel } from '../../../../engine/onnx/model/export.ts';
import { freshAdapter, readAdapter, writeAdapter } from '../../../../engine/model-files/lora.ts';
import { openSafetensors, readTensorF32 } from '../../../../engine/model-files/safetensors.ts';
import { loraSchema } from '../../../../engine/protocol/settings.ts';
import { temporaryFolder } from '../../../temporary.ts';
import { fixture, readJson } from '../../reference-case.ts';

const folder = temporaryFolder();
const llama = fixture('reference/llama/model');
const given = fixture('reference/llama/adapter_init');
const config = readLlamaConfig(llama);
const layers = layersOf(openModelFolder(llama));
let count = 0;

/** PEFT's adapter with another configuration. */
function adapter(changes: object): string {
  const target = join(folder, `adapter-${count++}`);
  cpSync(given, target, { recursive: true });
  const file = join(target, 'adapter_config.json');
  writeFileSync(file, JSON.stringify({ ...readJson<object>(file), ...changes }));
  return target;
}

test('an adapter of PEFT is read, and written again with the same matrices', () => {
  const read = readAdapter(given, layers);
  const written = join(folder, 'written');
  writeAdapter(written, read);
  const [before, after] = [given, written].map((path) => openSafetensors(join(path, 'adapter_model.safetensors')));
  expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
  for (const [name, entry] of before) expect(readTensorF32(after.get(name)!), name).toEqual(readTensorF32(entry));
  const theirs = readJson<Record<string, unknown>>(join(given, 'adapter_config.json'));
  const ours = readJson<Record<string, unknown>>(join(written, 'adapter_config.json'));
  for (const key of ['peft_type', 'task_type', 'r', 'lora_alpha', 'use_rslora', 'bias', 'fan_in_fan_out']) {
    expect(ours[key], key).toEqual(theirs[key]);
  }
  expect((ours['target_modules'] as string[]).toSorted()).toEqual((theirs['target_modules'] as string[]).toSorted());
});

const scaleOf = (of: string) => [...readAdapter(of, layers).matrices.values()][0].scale;

test('its scale is alpha / r, or alpha / sqrt(r) with rslora', () => {
  const { r, lora_alpha } = readJson<{ r: number; lora_alpha: number }>(join(given, 'adapter_config.json'));
  expect(scaleOf(given)).toBeCloseTo(lora_alpha / r);
  expect(scaleOf(adapter({ use_rslora: true }))).toBeCloseTo(lora_alpha / Math.sqrt(r));
});

test('a new one has the matrices, in the order, that earlier versions gave it', () => {
  const hash = createHash('sha256');
  for (const [name, { a, b }] of freshAdapter(layers, loraSchema.parse({ rank: 4 }), 7).matrices) {
    hash.update(name).update(a).update(b);
  }
  expect(hash.digest('hex')).toBe('9ebf9929e8badd8a907ae558bd82f12ceb9ef2e118a583cf3f4c37adc6e497bb');
});

test("a new one changes nothing: B is zero, A within PEFT's bounds and not constant", () => {
  const settings = loraSchema.parse({ rank: 4, targets: ['q_proj', 'down_proj'] });
  const { matrices, targets } = freshAdapter(layers, settings, 0);
  expect(targets).toEqual(['q_proj', 'down_proj']);
  expect(matrices.size).toBe(2 * config.layers);
  for (const { a, b, in: inputs } of matrices.values()) {
    expect(b.every((value) => value === 0)).toBe(true);
    const bound = 1 / Math.sqrt(inputs);
    expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(bound);
    // Uniform: the mean square is a third of the bound's.
    const meanSquare = a.reduce((total, value) => total + value * value, 0) / a.length;
    expect(meanSquare / (bound * bound)).toBeGreaterThan(0.25);
    expect(meanSquare / (bound * bound)).toBeLessThan(0.42);
  }
  expect(freshAdapter(layers, settings, 0).matrices).toEqual(matrices);
  expect(freshAdapter(layers, settings, 1).matrices).not.toEqual(matrices);
});

describe('an adapter is refused that', () => {
  test('has another rank than its matrices, belongs to another model, or is none', () => {
    expect(() => readAdapter(adapter({ r: 3 }), layers)).toThrow(/does not fit the model/);
    expect(() => readAdapter(fixture('reference/qwen3/adapter_init'), layers)).toThrow(/does not fit the model/);
    expect(() => readAdapter(llama, layers)).toThrow(`${llama} is no PEFT adapter: it has no adapter_config.json.`);
  });
});

describe('a model with its adapter merged in', () => {
  test("has PEFT's weights, written as a Hugging Face model folder", async () => {
    const merged = await mergeAdapter(openLlamaFolder(llama), readAdapter(given, layers));
    const target = join(folder, 'merged');
    await writeModel(target, llama, merged);
    const written = openModelFolder(target).tensors;
    for (const [name, entry] of openSafetensors(fixture('model/merged.safetensors'))) {
      const [expected, found] = [readTensorF32(entry), readTensorF32(written.get(name)!)];
      expect(found).toHaveLength(expected.length);
      expected.forEach((value, i) => expect(Math.abs(found[i] - value)).toBeLessThan(1e-6));
    }
    const untouched = 'model.norm.weight';
    expect(readTensorF32(written.get(untouched)!)).toEqual(
      readTensorF32(openModelFolder(llama).tensors.get(untouched)!),
    );
    expect(readJson<object>(join(target, 'config.json'))).toMatchObject({ dtype: 'float32', vocab_size: 97 });
    expect(readFileSync(join(target, 'generation_config.json'))).toEqual(
      readFileSync(join(llama, 'generation_config.json')),
    );
  });

  test('is not written into a folder that is not empty', async () => {
    await expect(exportModel({ policy: { model: llama }, outDir: given })).rejects.toThrow(
      new InputError(`${given} is not empty: give a new folder for the model.`),
    );
  });
});
