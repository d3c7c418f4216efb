/** The NVIDIA GPUs of this machine, by nvidia-smi. */
import { execFileSync } from 'node:child_process';

export interface Gpu {
  /** Such as `NVIDIA H100 80GB HBM3`. */
  name: string;
  memoryMiB: number;
}

const QUERY = ['--query-gpu=index,uuid,name,memory.total', '--format=csv,noheader,nounits'];
/** A driver that does not answer must not hold up a command. */
const PATIENCE_MILLISECONDS = 10_000;

/** The GPUs that CUDA_VISIBLE_DEVICES names, by default all. None where nvidia-smi is missing, or fails. */
export function nvidiaGpus(): Gpu[] {
  const visible = process.env['CUDA_VISIBLE_DEVICES']?.split(',').map((name) => name.trim());
  return printed()
    .trim()
    .split('\n')
    .map((line) => line.split(',').map((field) => field.trim()))
    .filter(([index, uuid, , memory]) => memory && (!visible || visible.includes(index) || visible.includes(uuid)))
    .map(([, , name, memory]) => ({ name, memoryMiB: Number(memory) }));
}

function printed(): string {
  try {
    return execFileSync('nvidia-smi', QUERY, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: PATIENCE_MILLISECONDS,
    });
  } catch {
    return '';
  }
}
