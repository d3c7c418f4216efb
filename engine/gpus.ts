/** The NVIDIA GPUs of this machine, by nvidia-smi. */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { mean } from '../data/numbers.ts';

export interface Gpu {
  index: number;
  /** Such as `NVIDIA H100 80GB HBM3`. */
  name: string;
  /** In bytes. */
  memory: number;
  /** In bytes. */
  used: number;
}

const MIB = 2 ** 20;
const QUERY = ['--query-gpu=index,uuid,memory.total,memory.used,name', '--format=csv,noheader,nounits'];
/** A driver that does not answer must not hold up a command. */
const PATIENCE_MILLISECONDS = 10_000;

/** The GPUs that CUDA_VISIBLE_DEVICES names, in its order; by default all. None where nvidia-smi is missing, or fails. */
export function nvidiaGpus(): Gpu[] {
  const all = printed()
    .split('\n')
    .map((line) => line.split(',').map((field) => field.trim()))
    .filter(([, , memory]) => Number(memory) > 0)
    .map(([index, uuid, memory, used, name]) => ({
      uuid,
      gpu: { index: Number(index), name, memory: Number(memory) * MIB, used: Number(used) * MIB },
    }));
  const visible = process.env['CUDA_VISIBLE_DEVICES'];
  if (visible === undefined) return all.map(({ gpu }) => gpu);
  const isNamed = (name: string) => (one: (typeof all)[number]) =>
    name !== '' && (name === String(one.gpu.index) || name === one.uuid);
  return visible.split(',').flatMap((name) => all.filter(isNamed(name.trim())).map(({ gpu }) => gpu));
}

/**
 * The part of the last moment, in percent, in which a GPU computed: the mean over the GPUs of this machine.
 * @throws Error when nvidia-smi fails or reports no utilization
 */
export async function gpuUtilization(): Promise<number> {
  const query = ['--query-gpu=utilization.gpu', '--format=csv,noheader,nounits'];
  const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: PATIENCE_MILLISECONDS });
  const lines = stdout.trim().split('\n');
  const each = lines.map(Number);
  const utilization = mean(each);
  // MIG devices have none: nvidia-smi prints [N/A].
  if (Number.isNaN(utilization)) throw new Error(`nvidia-smi reports a utilization of ${lines.join(', ')}`);
  return utilization;
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
