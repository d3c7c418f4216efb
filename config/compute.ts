/** What computes where nothing else is said: PyTorch on a machine that has GPUs and PyTorch, else ONNX Runtime. */
import { nvidiaGpus } from '../engine/gpus.ts';
import { computeParameters, type ComputeSettings } from '../engine/protocol/compute.ts';
import { installedInterpreter } from '../engine/torch/environment.ts';
import type { RunConfig } from './run.ts';

/**
 * The settings with the defaults of this machine. Where ONNX Runtime computes there are none left: it needs none, and then it does not
 * matter whether it was named.
 */
export function withComputeDefaults({ backend, device, gpus }: ComputeSettings): ComputeSettings {
  const chosen = backend ?? (device !== 'cpu' && nvidiaGpus().length > 0 && isTorchReady() ? 'torch' : 'onnx');
  if (chosen === 'onnx') return {};
  const found = device ?? (nvidiaGpus().length > 0 ? 'cuda' : 'cpu');
  return computeParameters({ backend: chosen, device: found, gpus });
}

/** Whether vLLM samples by default: where PyTorch computes on GPUs, and nothing in the section `sample` needs another sampler. */
export const samplesByVllm = (
  { device }: ComputeSettings,
  { backend, server, weights }: RunConfig['sample'],
): boolean => device === 'cuda' && backend === undefined && server === undefined && weights !== 'q8';

const isTorchReady = () => process.env['SELM_PYTHON'] !== undefined || installedInterpreter() !== undefined;
