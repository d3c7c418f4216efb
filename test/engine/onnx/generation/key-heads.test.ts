/** Decoding for every way in which queries share keys: few or many of them, of one sample or several samples of a prompt. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Generator } from '../../../../engine/onnx/generation/generate.ts';
import { readLlamaConfig } from '../../../../engine/model-files/llama-config.ts';
import { writeSafetensors } from '../../../../engine/model-files/safetensors.ts';
import { openLlamaPolicy } from '../../../../engine/tokens/policy.ts';
import { uniformStream } from '../../../../data/random.ts';
import { Scorer } from '../../../../engine/onnx/score.ts';
import { samplingSchema } from '../../../../engine/protocol/settings.ts';
import { temporaryFolder } from '../../../temporary.ts';
import { tinyModel } from '../../../tiny-model.ts';
import { parameterShapes } from '../../../../engine/model-files/shapes.ts';

const root = temporaryFolder();

/** The tiny model with other heads, and weights so large that every token influences the next. */
function modelWith(heads: number, keyHeads: number): string {
  const folder = tinyModel(mkdtempSync(join(root, 'model-')));
  const file = join(folder, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(
    file,
    JSON.stringify({ ...config, num_attention_heads: heads, num_key_value_heads: keyHeads, head_dim: 8 }),
  );
  const next = uniformStream('weights', heads, keyHeads);
  const tensors = [...parameterShapes(readLlamaConfig(folder))].map(([name, shape]) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: count }, () => (shape.length === 1 ? 1 : next() - 0.5));
    return { name, dtype: 'F32' as const, shape, data };
  });
  writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
  return folder;
}

const PROMPTS = [9, 40, 2].map((length, i) => ({
  id: `prompt ${i}`,
  tokens: Array.from({ length }, (_, j) => 5 + ((length * 31 + j * 17) % 90)),
}));
const NO_TOKEN = -1;

test.each([
  { heads: 4, keyHeads: 4, samples: 1 },
  { heads: 4, keyHeads: 4, samples: 5 },
  { heads: 8, keyHeads: 2, samples: 1 },
  { heads: 8, keyHeads: 2, samples: 2 },
  { heads: 8, keyHeads: 1, samples: 1 },
  { heads: 14, keyHeads: 2, samples: 3 },
])(
  '$heads heads, $keyHeads of keys, $samples samples: log-probabilities are those of score()',
  async ({ heads, keyHeads, samples }) => {
    const policy = openLlamaPolicy({ model: modelWith(heads, keyHeads) });
    // Three runs of the decode graph, with more prompts than slots.
    const settings = samplingSchema.parse({
      maxNewTokens: 40,
      temperature: 1,
      samplesPerPrompt: samples,
      batchSize: 2 * samples,
    });
    const generator = await Generator.open(policy, settings, [NO_TOKEN], 2);
    const answers = await generator.generate(PROMPTS, 0, () => {});
    await generator.close();
    const scorer = await Scorer.open(policy, 2);
    const rows = answers.flatMap((ofPrompt, i) =>
      ofPrompt.map(({ tokens }) => ({ prompt: PROMPTS[i].tokens, response: tokens })),
    );
    const logps = await scorer.score(rows);
    // With one token of the prompt changed, every log-probability differs: the comparison does depend on the prompt.
    const changed = await scorer.score(
      rows.map(({ prompt, response }) => ({ prompt: [...prompt.slice(0, -1), 50], response })),
    );
    await scorer.close();
    for (const [i, { logp }] of answers.flat().entries()) {
      expect(Math.abs(logp - logps[i])).toBeLessThan(1e-3);
      expect(Math.abs(changed[i] - logps[i])).toBeGreaterThan(0.1);
    }
  },
);
