/** What can be refused without the rows is refused before the reference policy computes log-probabilities of them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { LocalEngine } from '../../../engine/onnx/engine.ts';
import type { OptimizeJob, Progress } from '../../../engine/protocol/jobs.ts';
import { loraSchema } from '../../../engine/protocol/settings.ts';
import { temporaryFolder } from '../../temporary.ts';
import { referenceCase } from '../reference-case.ts';

const folder = temporaryFolder();
const engine = new LocalEngine();
afterAll(() => engine.close());

const { model, policy, optimizeJob } = referenceCase('llama');
const outDir = join(folder, 'out');
const job = optimizeJob(outDir, {});
mkdirSync(join(folder, 'taken'));
writeFileSync(join(folder, 'taken', 'notes.txt'), 'mine');

test.each<[what: string, refused: OptimizeJob, problem: string]>([
  ['a folder that is not empty', { ...job, outDir: join(folder, 'taken') }, 'is not empty'],
  ['a folder below a file', { ...job, outDir: join(folder, 'taken', 'notes.txt', 'out') }, 'is below the file'],
  ['all weights of an adapter', { ...optimizeJob(outDir, { full: true }), policy }, 'without an adapter'],
  [
    'a layer that the model does not have',
    { ...job, policy: { model }, training: { ...job.training, lora: loraSchema.parse({ targets: ['z_proj'] }) } },
    'no linear layer "z_proj"',
  ],
])('%s', async (_what, refused, problem) => {
  const reports: Progress[] = [];
  const onProgress = (progress: Progress) => reports.push(progress);
  const training = engine.run('optimize', refused, { onProgress, aborted: () => false });
  await expect(training).rejects.toThrow(InputError);
  await expect(training).rejects.toThrow(problem);
  expect(reports).toEqual([]);
});
