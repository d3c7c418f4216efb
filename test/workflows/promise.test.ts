/** What the status of a run says about computing it again. */
import { expect, test } from 'vitest';
import { readConfig } from '../../config/load.ts';
import { newJournal, statusOf } from '../../workflows/journal.ts';

const GPUS = { backend: 'torch', device: 'cuda', gpus: 8 };
const SERVER = { server: { url: 'http://127.0.0.1:8000/v1', model: 'org/model' } };
const AGAIN = 'computing again with the same versions on the same kind of machine gives the same bits.';

test.each([
  [{ backend: 'onnx' }, `Computed by ONNX Runtime with 4 threads: ${AGAIN}`],
  [
    { backend: 'torch', device: 'cpu', gpus: 2 },
    `Computed by PyTorch on the CPU in 2 processes with 4 threads: ${AGAIN}`,
  ],
  [
    GPUS,
    'Computed by PyTorch on 8 GPUs: computing again gives the same numbers within a tolerance. ' +
      'vLLM samples the responses, which are not computed again.',
  ],
  [
    { backend: 'onnx', sample: SERVER },
    `Computed by ONNX Runtime with 4 threads: ${AGAIN} A server samples the responses, which are not computed again.`,
  ],
])('%j', (settings, promise) => {
  const document = {
    name: 'a',
    model: 'org/model',
    prompts: { train: 'org/set', heldOut: 1 },
    threads: 4,
    ...settings,
  };
  expect(statusOf('a', readConfig('a.yaml', document, '.'), newJournal()).promise).toBe(promise);
});
