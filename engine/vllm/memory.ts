/** The GPUs of this machine and their memory, by nvidia-smi. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EngineDied } from '../protocol/errors.ts';

const run = promisify(execFile);

/** A GPU that this process may use. Memory in bytes. */
export interface GpuMemory {
  index: number;
  total: number;
  used: number;
}

const MIB = 2 ** 20;
const QUERY = ['--query-gpu=index,uuid,memory.total,memory.used', '--format=csv,noheader,nounits'];

/** Memory in bytes that a GPU may keep after its processes have ended: contexts of the driver and of other programs. */
const SLACK = 1024 * MIB;
const POLL_MILLISECONDS = 500;
const FREE_SECONDS = 60;

/**
 * The GPUs of `CUDA_VISIBLE_DEVICES`, by default all, in its order. None on a machine without nvidia-smi.
 */
export async function readGpuMemory(visible = process.env['CUDA_VISIBLE_DEVICES']): Promise<GpuMemory[]> {
  const { stdout } = await run('nvidia-smi', QUERY).catch(() => ({ stdout: '' }));
  return parseGpuMemory(stdout, visible);
}

/** Parses what `nvidia-smi` prints. @param visible comma-separated indices or UUIDs. Default: all GPUs */
export function parseGpuMemory(text: string, visible?: string): GpuMemory[] {
  const all = text
    .split('\n')
    .map((line) => line.split(',').map((field) => field.trim()))
    .filter((fields) => fields.length === 4)
    .map(([index, uuid, total, used]) => ({
      uuid,
      gpu: { index: Number(index), total: Number(total) * MIB, used: Number(used) * MIB },
    }));
  if (visible === undefined) return all.map(({ gpu }) => gpu);
  const names = visible.split(',').map((name) => name.trim());
  return names.flatMap((name) =>
    all.filter(({ uuid, gpu }) => name === String(gpu.index) || (name !== '' && uuid === name)).map(({ gpu }) => gpu),
  );
}

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
  read: () => Promise<GpuMemory[]> = readGpuMemory,
  seconds = FREE_SECONDS,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (idle.length > 0) {
    const now = await read();
    const full = idle.flatMap(({ index, used }) => now.filter((gpu) => gpu.index === index && gpu.used > used + SLACK));
    if (full.length === 0) return;
    if (Date.now() > deadline) {
      const [{ index, used }] = full;
      throw new EngineDied(
        `GPU ${index} still has ${(used / 1e9).toFixed(1)} GB in use ${seconds} s after selm's processes on it have ended: ` +
          'nvidia-smi lists the processes that hold it; end them.',
      );
    }
    await sleep(POLL_MILLISECONDS);
  }
}
