/** The check of the disk before all weights are trained, with the disk of this machine. */
import { closeSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { openModelWeights } from '../../../engine/model-files/weights.ts';
import { checkDisk } from '../../../engine/training/disk.ts';
import { temporaryFolder } from '../../temporary.ts';
import { referenceCase } from '../reference-case.ts';

const folder = temporaryFolder();

/** The weights of a model whose file has a hole in place of most of them. */
function weightsOf(billions: number) {
  const model = join(folder, String(billions));
  mkdirSync(model);
  const shape = [billions, 1e9];
  const bytes = 2 * billions * 1e9;
  const header = Buffer.from(JSON.stringify({ w: { dtype: 'BF16', shape, data_offsets: [0, bytes] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = openSync(join(model, 'model.safetensors'), 'w');
  writeSync(file, Buffer.concat([length, header]));
  ftruncateSync(file, 8 + header.length + bytes);
  closeSync(file);
  return openModelWeights(model);
}

const job = (full: boolean) => ({
  ...referenceCase('llama').optimizeJob(join(folder, 'out'), { full }),
  checkpoint: { dir: join(folder, 'checkpoints'), everySeconds: 60 },
});

test('a training whose model and two checkpoints do not fit is refused before it starts', () => {
  const weights = weightsOf(1000);
  expect(() => checkDisk(job(true), weights)).toThrow(InputError);
  expect(() => checkDisk(job(true), weights)).toThrow(
    /^Training all weights needs 28,000 GB of disk in \S+\/checkpoints, of which [\d,]+ GB are free: 4,000 GB for the trained model, and 12,000 GB for each of two checkpoints\. Give the worker a larger disk \(SELM_HOME\), or train an adapter\.$/,
  );
  // An adapter's checkpoints are small.
  expect(() => checkDisk(job(false), weights)).not.toThrow();
});

test('one that fits is not', () => {
  expect(() => checkDisk(job(true), openModelWeights(referenceCase('llama').model))).not.toThrow();
});
