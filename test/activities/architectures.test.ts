/** Policies of architectures that only the torch backend computes, from their import to a published model. */
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importPolicy, openPolicyArtifact } from '../../activities/policy.ts';
import { publish } from '../../activities/publish.ts';
import { fingerprintOf } from '../../engine/model-files/fingerprint.ts';
import { loraSchema } from '../../engine/protocol/settings.ts';
import { fixture } from '../engine/reference-case.ts';
import { testContext } from './context.ts';

const context = testContext();
const model = join(context.folder, 'phi3');
cpSync(fixture('architectures/phi3/model'), model, { recursive: true });
for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']) {
  cpSync(fixture(`tokenizers/phi3/${name}`), join(model, name));
}
const adapter = fixture('architectures/phi3/adapter');
const torch = { backend: 'torch', isServed: true } as const;
const lora = loraSchema.parse({});

describe('a Phi-3', () => {
  test('is imported with its adapter, and published', async () => {
    const { address } = await importPolicy(context, model, adapter, undefined, torch);
    const { base, policy } = await openPolicyArtifact(context.store, address);
    expect(base).toEqual({ source: model, fingerprint: await fingerprintOf(model) });
    expect(policy.adapter).toBeDefined();
    const outputs = join(context.folder, 'published');
    await publish(context, { policy: address, folder: outputs, lineage: { run: 'test', results: [] } }, {});
    expect(readdirSync(outputs)).toEqual(
      expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors', 'selm.json']),
    );
  });

  test('is refused before a run begins where ONNX Runtime would train it, or sample its responses', async () => {
    const refused =
      /asks for the architecture Phi3ForCausalLM, which backend: onnx does not support .*: set backend: torch and sample.backend: vllm/;
    await expect(importPolicy(context, model, undefined)).rejects.toThrow(refused);
    const sampledByEngine = importPolicy(context, model, undefined, undefined, { backend: 'torch' });
    await expect(sampledByEngine).rejects.toThrow(refused);
  });

  test('is refused with the linear layers of other architectures, unless it has an adapter', async () => {
    await expect(importPolicy(context, model, undefined, undefined, { ...torch, lora })).rejects.toThrow(
      'the model has no linear layer "q_proj" (lora.targets): name some of',
    );
    const all = { ...torch, lora: { ...lora, targets: ['all-linear'] } };
    await importPolicy(context, model, undefined, undefined, all);
    await importPolicy(context, model, adapter, undefined, { ...torch, lora });
  });
});
