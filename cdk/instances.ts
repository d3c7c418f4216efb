/** The instance types of a pool's workers, and their prices. */
import type { DeployConfig } from '../config/deployment.ts';
import { diskGbOf, poolsOf, type PoolConfig } from '../config/deployment/gpu.ts';
import type { PoolName } from '../config/pools.ts';
import { INSTANCE_TYPES } from '../config/deployment/instance-types.ts';
import { INSTANCE_HOURS } from '../config/prices.ts';
import { InputError } from '../data/errors.ts';
import { GPU_SPEEDS, type GpuName } from '../engine/gpu-speeds.ts';
import type { Capacity } from './gpu-capacity.ts';

/**
 * The instance types that a worker can run on: of an Auto Scaling group its type; of managed instances the smallest one of each accepted
 * GPU. There is none for a GPU that no instance has alone (A100).
 */
export function instanceTypesOf(pool: PoolConfig): string[] {
  if (pool.capacity === 'auto-scaling-group') return [pool.instanceType];
  return pool.accelerators.flatMap((accelerator) => smallestWith(accelerator, pool) ?? []);
}

/** The smallest instance type with one GPU of this kind and room for the pool's task and its caches. */
export const smallestWith = (accelerator: string, pool: PoolConfig): string | undefined =>
  Object.keys(INSTANCE_TYPES).find((name) => {
    const { gpu, gpus, vcpus, memoryGib, disks, diskGb } = INSTANCE_TYPES[name];
    const hasRoom = vcpus * 1024 >= pool.cpu && memoryGib * 1024 >= pool.memoryMiB && disks * diskGb >= diskGbOf(pool);
    return gpus === 1 && gpu.toLowerCase() === accelerator && hasRoom;
  });

/** GPUs of a worker on an instance type: of unknown types those of the smallest GPU, an L4. */
export function gpusOn(
  type: string,
  { gpus }: PoolConfig,
): { gpu: GpuName; name: string; memory: number; count: number } {
  const { gpu, gpuMemoryGib } = INSTANCE_TYPES[type] ?? INSTANCE_TYPES['g6.xlarge'];
  const known = gpu in GPU_SPEEDS ? (gpu as GpuName) : 'L4';
  return { gpu: known, name: gpu, memory: gpuMemoryGib * 2 ** 30, count: gpus };
}

/**
 * Price of a worker per hour on an instance type, with the ECS fee.
 * @throws InputError if the type has no known price
 */
export function workerHour(
  { prices, ...config }: DeployConfig,
  name: PoolName,
  type: string,
  capacity: Capacity,
): number {
  const { pool } = poolsOf(config).find((one) => one.name === name)!;
  if (pool.usdPerHour !== undefined) return pool.usdPerHour;
  const price = INSTANCE_HOURS[type]?.usd;
  if (price === undefined) {
    throw new InputError(`The price of ${type} is not known; give gpu.pools.${name}.usdPerHour.`);
  }
  const fee = pool.capacity === 'managed-instances' ? price * prices.managedInstancesShare : 0;
  return price * (capacity === 'spot' ? prices.spotShare : 1) + fee;
}
