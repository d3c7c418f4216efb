/** Waiting for the memory of GPUs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { nvidiaGpus, type Gpu } from '../gpus.ts';
import { EngineDied } from '../protocol/errors.ts';

/** Memory of a GPU, in bytes. */
export type GpuMemory = Pick<Gpu, 'index' | 'memory' | 'used'>;

/** Memory in bytes that a GPU may keep after its processes have ended: contexts of the driver and of other programs. */
const SLACK = 2 ** 30;
const POLL_MILLISECONDS = 500;
const FREE_SECONDS = 60;

/**
 * Waits until each GPU's memory is as free as it was before.
 * @param before the same GPUs before the process that has ended was started
 * @throws EngineDied that names the GPU which is still in use after a minute
 */
export async function untilFree(
  before: GpuMemory[],
  read: () => GpuMemory[] = nvidiaGpus,
  seconds = FREE_SECONDS,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const now = read();
    const full = before.flatMap(({ index, used }) =>
      now.filter((gpu) => gpu.index === index && gpu.used > used + SLACK),
    );
    if (full.length === 0) return;
    if (Date.now() > deadline) {
      const [{ index, used }] = full;
      throw new EngineDied(
        `GPU ${index} still has ${(used / 1e9).toFixed(1)} GB in use ${seconds} s after vLLM was stopped: ` +
          'nvidia-smi lists the processes that hold it; end them.',
      );
    }
    await sleep(POLL_MILLISECONDS);
  }
}
