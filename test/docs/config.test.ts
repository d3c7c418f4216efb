import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CONFIG_REFERENCE, configReference } from '../../docs/write-config.ts';
import { loadConfig } from '../../config/load.ts';

test('the configuration reference says what the schema says (else: npm run docs)', async () => {
  expect(readFileSync(CONFIG_REFERENCE, 'utf8')).toBe(await configReference());
});

test("the reference's example is a valid configuration", async () => {
  const [, yaml] = /```yaml\n(.+?)```/s.exec(await configReference())!;
  const folder = mkdtempSync(join(tmpdir(), 'selm-docs-'));
  try {
    const file = join(folder, 'run.yaml');
    writeFileSync(file, yaml);
    const { model, prompts, output } = loadConfig(file);
    expect(model).toBe('HuggingFaceTB/SmolLM2-135M-Instruct');
    expect(prompts).toEqual({ tooLong: 'drop', train: join(folder, 'train.jsonl'), heldOut: 500 });
    expect(output).toBe(join(folder, 'aligned'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
