/** The NVIDIA GPUs of this machine, by nvidia-smi. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** A GPU that this process may use. */
export interface Gpu {
  name: string;
  /** In bytes. */
  memory: number;
}

const MIB = 2 ** 20;
const QUERY = ['--query-gpu=index,uuid,memory.total,name', '--format=csv,noheader,nounits'];

/** The GPUs that CUDA_VISIBLE_DEVICES names, by default all. None on a machine without nvidia-smi. */
export async function findGpus(): Promise<Gpu[]> {
  const { stdout } = await promisify(execFile)('nvidia-smi', QUERY).catch(() => ({ stdout: '' }));
  const visible = process.env['CUDA_VISIBLE_DEVICES']?.split(',').map((name) => name.trim());
  return stdout
    .split('\n')
    .map((line) => line.split(', '))
    .filter(
      ([index, uuid, memory]) => Number(memory) > 0 && (!visible || visible.includes(index) || visible.includes(uuid)),
    )
    .map(([, , memory, name]) => ({ name, memory: Number(memory) * MIB }));
}
