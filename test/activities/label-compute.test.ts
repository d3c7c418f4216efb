/** What computes labels: part of the keys of labels that the engine computes, and of the jobs of PairRM. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { label, labelHeldOut } from '../../activities/label.ts';
import type { StepContext } from '../../activities/step.ts';
import type { Address } from '../../artifacts/manifest.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import type { ComputeSettings } from '../../engine/protocol/compute.ts';
import type { Engine } from '../../engine/protocol/jobs.ts';
import { labelSchema } from '../../labelers/index.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const model = new URL('../fixtures/rankers/pairrm-hf', import.meta.url).pathname;
const pairrm = labelSchema.parse({ by: 'pairrm', model });
const torch = { backend: 'torch', device: 'cuda', gpus: 2 } as const;

/** The jobs that an engine was given, which scores every answer 0. */
const jobs: unknown[] = [];
const engine = {
  version: async ({ backend = 'onnx', gpus }: ComputeSettings) => `${backend}${gpus ? ` ${gpus}` : ''}`,
  run: async (_method: string, job: { rows: { answers: string[] }[] }) => {
    jobs.push(job);
    return { scores: job.rows.map(({ answers }) => answers.map(() => 0)), cut: 0 };
  },
  close: async () => {},
} as unknown as Engine;
const context: StepContext = { store: new LocalStore(join(folder, 'store')), engine, cacheFolder: folder };

const sampled = (text: string) => ({ text, token_ids: [1], finish_reason: 'stop', logp: -1 });

let responses: Address;
beforeAll(async () => {
  const recipe = { step: 'sample', parameters: {}, inputs: {}, seed: 0 };
  const row = { id: 'a', prompt: 'Hi', prompt_input_ids: [1], responses: ['b', 'c'].map(sampled) };
  responses = await context.store.create('responses', recipe, (where) =>
    writeJsonl(join(where, 'responses.jsonl'), [row]),
  );
});

const key = async (given: object, compute: ComputeSettings, step: typeof label | typeof labelHeldOut = label) => {
  const settings = labelSchema.parse(given);
  const { parameters, backend } = await step.recipeFor(context, { responses, label: settings, threads: 4, ...compute });
  const { label: _, identity: __, ...rest } = parameters as Record<string, unknown>;
  return { backend, ...rest };
};

test.each([
  ['label', label],
  ['labelHeldOut', labelHeldOut],
])('%s: the key of labels by PairRM names PyTorch, and is as it was with ONNX Runtime', async (_, step) => {
  expect(await key(pairrm, {}, step)).toEqual({ backend: 'onnx', threads: 4 });
  expect(await key(pairrm, { backend: 'onnx' }, step)).toEqual({ backend: 'onnx', threads: 4 });
  expect(await key(pairrm, torch, step)).toEqual({ ...torch, backend: 'torch', threads: 4 });
  const { backend } = await step.recipeFor(context, { responses, label: pairrm, threads: 4, ...torch });
  expect(backend).toBe('torch 2');
});

test('what PyTorch does not compute has the key that it had', async () => {
  const ranked = { by: 'combine', of: [pairrm, { by: 'verifier' }] };
  const mixed = { by: 'combine', of: [pairrm, { by: 'judge', model }] };
  expect(await key(ranked, torch)).toMatchObject(torch);
  expect(await key(mixed, torch)).toEqual({ backend: 'onnx', threads: 4 });
  expect(await key({ by: 'verifier' }, torch)).toEqual({ backend: undefined });
});

test("PairRM's job is computed with the run's settings", async () => {
  await label(context, { responses, label: pairrm, threads: 4, ...torch }, {});
  expect(jobs).toMatchObject([{ model, threads: 4, ...torch }]);
});
