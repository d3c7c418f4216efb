/** The torch backend and vLLM on the same GPUs: beside each other where both fit, else in turn. */
import { memoryBeside, placementOf } from '../beside-estimate.ts';
import type { SupervisedEngine } from '../process/host.ts';
import type { ComputeSettings } from '../protocol/compute.ts';
import { EngineDied, JobAborted, OutOfMemory } from '../protocol/errors.ts';
import type { VllmHost } from './host.ts';

/**
 * The torch backend beside the worker's vLLM. Before a job that does not fit beside it, vLLM is stopped; and after one that failed beside
 * it, so that the next attempt has the device alone.
 */
export const shareDevice = (torch: SupervisedEngine, vllm: VllmHost): SupervisedEngine => ({
  async run(method, job, options) {
    const isShared = await vllm.makeRoom(placementOf(job as ComputeSettings), memoryBeside(method, job));
    try {
      return await torch.run(method, job, options);
    } catch (error) {
      if (!isShared || error instanceof JobAborted) throw error;
      await vllm.stop();
      if (!(error instanceof OutOfMemory)) throw error;
      // The settings need not change, as after an InputError.
      throw new EngineDied(
        `${method} had too little GPU memory beside vLLM, which has been stopped: the next attempt has the GPUs alone. ${error.message}`,
      );
    }
  },
  close: () => torch.close(),
});
