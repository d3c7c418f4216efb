/** What selects the sampler of a run's steps. */
import { expect, test } from 'vitest';
import { samplersOf } from '../../workflows/samplers.ts';
import { testConfig } from './stand-ins.ts';

const besideOf = (changes: object) =>
  samplersOf(testConfig({ sample: { backend: 'vllm' }, device: 'cpu', ...changes })).vllm?.beside;

test('vLLM has to leave room for what the torch backend computes while it stays up', () => {
  const pairrm = { by: 'pairrm' };
  expect(besideOf({})).toBeUndefined();
  expect(besideOf({ backend: 'torch' })).toEqual(['divergence']);
  expect(besideOf({ backend: 'torch', label: pairrm })).toEqual(['divergence', 'rank']);
  expect(besideOf({ backend: 'torch', evaluate: { secondJudge: pairrm } })).toEqual(['divergence', 'rank']);
  // PairRM beside a reward model is computed by ONNX Runtime.
  const label = { by: 'combine', of: [pairrm, { by: 'reward-model', model: 'org/rewards' }] };
  expect(besideOf({ backend: 'torch', label })).toEqual(['divergence']);
});
