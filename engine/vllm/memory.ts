/** Waiting for the memory of GPUs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { gigabytes } from '../bytes.ts';
import { nvidiaGpus, type Gpu } from '../gpus.ts';
import { EngineDied } from '../protocol/errors.ts';

/** Memory of a GPU, in bytes. */
export type GpuMemory = Pick<Gpu, 'index' | 'memory' | 'used'>;

/** Memory in bytes that a GPU may keep after its processes have ended: contexts of the driver and of other programs. */
const SLACK = 2 ** 30;
const POLL_MILLISECONDS = 500;
const FREE_SECONDS = 60;

/** The GPUs of the second reading, each with the lower use of the two. */
export const leastUsed = (before: GpuMemory[], now: GpuMemory[]): GpuMemory[] =>
  now.map((gpu) => ({
    ...gpu,
    used: Math.min(gpu.used, before.find(({ index }) => index === gpu.index)?.used ?? Infinity),
  }));

/**
 * Waits until each GPU's memory is as free as it was.
 * @param idle the same GPUs without the processes that have ended
 * @throws EngineDied that names the GPU which is still in use after a minute
 */
export async function untilFree(
  idle: GpuMemory[],
  read: () => GpuMemory[] = nvidiaGpus,
  seconds = FREE_SECONDS,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (idle.length > 0) {
    const now = read();
    const full = idle.flatMap(({ index, used }) => now.filter((gpu) => gpu.index === index && gpu.used > used + SLACK));
    if (full.length === 0) return;
    if (Date.now() > deadline) {
      const [{ index, used }] = full;
      throw new EngineDied(
        `GPU ${index} still has ${gigabytes(used)} in use ${seconds} s after selm's processes on it have ended: ` +
          'nvidia-smi lists the processes that hold it; end them.',
      );
    }
    await sleep(POLL_MILLISECONDS);
  }
}
