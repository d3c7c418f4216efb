/** What is wrong with the section `gpu` although each setting is valid, and with that of a configuration from before the pools. */
import { diskGbOf, gpuSchema, poolsOf, type GpuConfig, type Pool } from './gpu.ts';
import { INSTANCE_TYPES } from './instance-types.ts';

const SINGLE = Object.keys(gpuSchema.shape.pools.unwrap().shape.single.unwrap().shape);

/** One sentence if the document has settings of GPU workers that have moved or are gone; undefined if it has none. */
export function oldGpuProblem(document: unknown): string | undefined {
  const { gpu, vllm } = (document ?? {}) as { gpu?: unknown; vllm?: unknown };
  if (vllm !== undefined) {
    return 'vllm is not a setting any more: GPU workers start vLLM themselves (sample.backend: vllm in a run); remove it.';
  }
  const moved = Object.keys(typeof gpu === 'object' && gpu ? gpu : {}).find((name) => SINGLE.includes(name));
  return moved && `gpu.${moved} has moved: give gpu.pools.single.${moved}.`;
}

/**
 * One sentence about pools that cannot start a worker; undefined if there is none.
 * @param zones those of the network, as far as the configuration names them
 */
export function gpuProblem(gpu: GpuConfig, zones: string[] = []): string | undefined {
  const { node } = gpu.pools;
  if (node && !(node.instanceType in INSTANCE_TYPES) && !(node.gpus && node.cpu && node.memoryMiB)) {
    return `gpu.pools.node.instanceType: the size of ${node.instanceType} is not known; give gpus, cpu and memoryMiB as well.`;
  }
  for (const { name, pool } of poolsOf({ gpu })) {
    const at = `gpu.pools.${name}`;
    if (pool.capacityBlock !== undefined && pool.capacity !== 'auto-scaling-group') {
      return `${at}.capacityBlock needs ${at}.capacity: auto-scaling-group.`;
    }
    if (pool.capacityBlock !== undefined && pool.availabilityZones?.length !== 1) {
      return `${at}.capacityBlock needs ${at}.availabilityZones with the zone of the capacity block, and no other.`;
    }
    const { gpus = pool.gpus } = INSTANCE_TYPES[pool.instanceType] ?? {};
    if (name === 'node' && pool.gpus > gpus) {
      return `${at}.gpus: a ${pool.instanceType} has ${gpus}.`;
    }
    const small = roomProblem({ name, pool });
    if (small !== undefined) return small;
    const outside = pool.availabilityZones?.find((zone) => !zones.includes(zone));
    if (outside !== undefined) {
      return `${at}.availabilityZones: the network has no subnet in ${outside}; name it, and another zone, in network.availabilityZones.`;
    }
    if (pool.capacity === 'managed-instances' && pool.accelerators.every((accelerator) => accelerator === 'a100')) {
      return (
        `${at}.accelerators: no instance type has a single A100, so no worker could start. A p4d.24xlarge has 8: give ` +
        'gpu.pools.node.instanceType: p4d.24xlarge; selm deploy doctor checks the quota of its 96 vCPUs.'
      );
    }
  }
  return undefined;
}

/**
 * One sentence about a task that does not fit on the instances of an Auto Scaling group, which would start without ever getting a task.
 * Managed instances are chosen by what the task needs. The size of a type that selm does not know is not checked.
 */
function roomProblem({ name, pool }: Pool): string | undefined {
  const type = INSTANCE_TYPES[pool.instanceType];
  if (type === undefined || pool.capacity !== 'auto-scaling-group') return undefined;
  const [cpu, memoryMiB, disk] = [type.vcpus * 1024, type.memoryGib * 1024, type.disks * type.diskGb];
  const at = `gpu.pools.${name}`;
  if (pool.cpu > cpu) return `${at}.cpu: ${pool.cpu} units are more than the ${cpu} of a ${pool.instanceType}.`;
  if (pool.memoryMiB >= memoryMiB)
    return (
      `${at}.memoryMiB: a ${pool.instanceType} has ${memoryMiB} MiB, and its system and the ECS agent need a part of it, so ` +
      `that a worker with ${pool.memoryMiB} MiB never starts; give at most 90 %.`
    );
  if (diskGbOf(pool) > disk)
    return `${at}.cacheGb: both caches, the image and checkpoints need ${diskGbOf(pool)} GB, and the local disks of a ${pool.instanceType} have ${disk} GB.`;
  return undefined;
}
