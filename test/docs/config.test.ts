/** The reference pages of the configurations: generated from the schemas, complete, with examples that are valid. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadDeployConfig } from '../../config/load-deployment.ts';
import { loadConfig } from '../../config/load.ts';
import { REFERENCES, referencePage } from '../../docs/write-config.ts';

const pages = Object.keys(REFERENCES).map((file) => [basename(file), file] as const);

test.each(pages)('%s is generated from the schema (else: npm run docs)', async (_name, file) => {
  expect(readFileSync(file, 'utf8')).toBe(await referencePage(file));
});

test.each(pages)('%s describes every key', (_name, file) => {
  const rows = readFileSync(file, 'utf8').match(/^\| .+ \|$/gm)!;
  expect(rows.length).toBeGreaterThan(20);
  for (const row of rows) expect(row).toMatch(/[.)`-] *\|$|Description *\|$/);
  expect(rows.filter((row) => /undefined/.test(row))).toEqual([]);
});

/** What `load` reads of the page's first example. */
function example<T>(name: string, load: (file: string) => T, check: (loaded: T, folder: string) => void): void {
  const [, page] = pages.find(([page]) => page === name)!;
  const [, yaml] = /```yaml\n(.+?)```/s.exec(readFileSync(page, 'utf8'))!;
  const folder = mkdtempSync(join(tmpdir(), 'selm-docs-'));
  try {
    writeFileSync(join(folder, 'example.yaml'), yaml);
    check(load(join(folder, 'example.yaml')), folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the example of a run is valid', () => {
  example('config.md', loadConfig, ({ model, prompts, output }, folder) => {
    expect(model).toBe('HuggingFaceTB/SmolLM2-135M-Instruct');
    expect(prompts).toEqual({ tooLong: 'drop', train: join(folder, 'train.jsonl'), heldOut: 500 });
    expect(output).toBe(join(folder, 'aligned'));
  });
});

test('the example of a deployment is valid', () => {
  example('deployment-settings.md', loadDeployConfig, ({ temporal, gpu, version }) => {
    expect(temporal.kind).toBe('cloud');
    expect(gpu.pools.single).toMatchObject({ maxWorkers: 8, idleMinutes: 5, spot: true });
    const { version: own } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(version).toBe(own);
  });
});
