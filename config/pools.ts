/** The pools of GPU workers. Workflows import this file: it loads no schema and no file. */

/** `single`: workers with one GPU; `node`: workers with several GPUs of one machine. */
export const POOLS = ['single', 'node'] as const;
export type PoolName = (typeof POOLS)[number];

/** The pool that computes a run's steps with a model: as configured, else `node` for a run that computes with several GPUs. */
export const poolOf = ({ workers, gpus = 1 }: { workers?: PoolName; gpus?: number }): PoolName =>
  workers ?? (gpus > 1 ? 'node' : 'single');
