/** The section `gpu` of a deployment: its pools of GPU workers, their instances and their scaling. */
import { z } from 'zod';
import type { PoolName } from '../pools.ts';
import { INSTANCE_TYPES } from './instance-types.ts';
import { zone } from './network.ts';

const positiveInt = z.int().positive();

/**
 * An alarm with periods of a minute evaluates at most one day (CloudWatch API, PutMetricAlarm, EvaluationPeriods). The alarm `Starved`
 * evaluates this many minutes more than `fallbackMinutes`: those to start an instance and load the image and the model.
 */
const DAY_MINUTES = 24 * 60;
export const START_MINUTES = 20;

/** Settings of both pools with the same defaults. */
const scaling = {
  capacityBlock: z
    .string()
    .regex(/^cr-\w+$/, 'expected the id of a capacity reservation, such as cr-0123')
    .optional()
    .describe('Id of the capacity block to run in (Auto Scaling group only); it needs `availabilityZones`.'),
  availabilityZones: z
    .array(zone)
    .min(1)
    .optional()
    .describe(
      'Zones that offer the instance type, as `selm deploy doctor` prints them; for a capacity block its own zone. ' +
        'Default: all zones of the network.',
    ),
  spot: z.boolean().default(true).describe('Use spot instances, and on-demand instances while no spot is available.'),
  fallbackMinutes: positiveInt
    .max(DAY_MINUTES - START_MINUTES)
    .default(15)
    .describe('Minutes of demand without a spot worker after which on-demand workers start.'),
  idleMinutes: positiveInt
    .max(DAY_MINUTES)
    .default(10)
    .describe('Minutes without demand after which the last worker stops.'),
};

const usdPerHour = z
  .number()
  .positive()
  .optional()
  .describe('Price of a worker per hour, for the cost estimate. Default: the list price of `instanceType`.');

/**
 * The weights of an 8B model (16 GB in bfloat16) stay in the page cache while vLLM and training take turns, beside 10 GB of processes. A
 * g6e.xlarge has 32 GiB; the rest is for its system and the ECS agent.
 */
const SINGLE_MEMORY_MIB = 28 * 1024;
/** Both caches, the image (30 GB) and checkpoints fit on the smallest local disk, 250 GB. */
const SINGLE_CACHE_GB = 80;

const singleSchema = z.strictObject({
  capacity: z
    .enum(['managed-instances', 'auto-scaling-group'])
    .default('managed-instances')
    .describe(
      'What provides the instances: ECS Managed Instances, or an Auto Scaling group of `instanceType` ' +
        '(for capacity blocks).',
    ),
  accelerators: z
    .array(z.enum(['l4', 'a10g', 'l40s', 'a100', 'h100']))
    .min(1)
    .default(['l40s'])
    .describe(
      'Acceptable GPUs; each worker gets one of them, of the cheapest instance type that fits (managed instances only). ' +
        'LoRA on a model of 8 billion parameters needs an L40S; `[l4, a10g]` with `memoryMiB: 13312` are enough for small models.',
    ),
  instanceType: z
    .string()
    .default('g6e.xlarge')
    .describe('Instance type of the Auto Scaling group. The cost estimate uses it for managed instances, too.'),
  maxWorkers: positiveInt.max(50).default(4).describe('Maximum number of workers.'),
  ...scaling,
  cpu: positiveInt.default(3584).describe('CPU units of a worker; 1024 are one vCPU.'),
  memoryMiB: positiveInt.default(SINGLE_MEMORY_MIB).describe('Memory of a worker in MiB.'),
  cacheGb: positiveInt
    .default(SINGLE_CACHE_GB)
    .describe("GB on the worker's local disk for cached artifacts, and as much again for cached models."),
  usdPerHour,
});

/** Instance types that have several GPUs. */
const NODES = Object.keys(INSTANCE_TYPES).filter((type) => INSTANCE_TYPES[type].gpus > 1);

const nodeSchema = z.strictObject({
  instanceType: z
    .string()
    .default('g6e.48xlarge')
    .describe(`Instance type: ${NODES.join(', ')}, or another with its \`gpus\`, \`cpu\` and \`memoryMiB\`.`),
  gpus: positiveInt.max(8).optional().describe('GPUs of a worker. Default: all GPUs of the instance type.'),
  maxWorkers: positiveInt
    .max(10)
    .default(1)
    .describe('Maximum number of workers. One worker trains; all of them sample.'),
  ...scaling,
  cpu: positiveInt.optional().describe('CPU units of a worker; 1024 are one vCPU. Default: those of the instance.'),
  memoryMiB: positiveInt
    .optional()
    .describe(
      "Memory of a worker in MiB. Default: 90 % of the instance's; the rest is for its system and the ECS agent.",
    ),
  sharedMemoryMiB: positiveInt
    .default(16_384)
    .describe(
      'Size of /dev/shm in MiB, through which NCCL and vLLM exchange tensors between the GPUs. Part of `memoryMiB`.',
    ),
  cacheGb: positiveInt
    .default(500)
    .describe("GB on the worker's local disk for cached artifacts, and as much again for cached models."),
  usdPerHour,
});

export const gpuSchema = z.strictObject({
  pools: z
    .strictObject({
      single: singleSchema
        .prefault({})
        .describe('Workers with one GPU, for small models, reward models, evaluation, and sampling in shards.'),
      node: nodeSchema
        .optional()
        .describe(
          'Workers with several GPUs of one machine, for training and sampling large models. Without this section there ' +
            'are none; `node: {}` is complete.',
        ),
    })
    .prefault({})
    .describe('The pools of GPU workers. Each has its own task queue, demand, scaling and limits.'),
});

/** The section `gpu`, as it is in the configuration: `poolsOf` fills in what depends on the instance type. */
export type GpuConfig = z.infer<typeof gpuSchema>;

/** A pool of workers that are all alike: the shape of both. */
export interface PoolConfig extends Omit<GpuConfig['pools']['single'], 'usdPerHour'> {
  usdPerHour?: number;
  /** GPUs of a worker, all in one container. */
  gpus: number;
  /** Size of /dev/shm in MiB; undefined for the container runtime's default. */
  sharedMemoryMiB?: number;
}

/** GB of a worker's local disk besides its two caches: the image, checkpoints and temporary files. */
const FURTHER_GB = 50;

/** GB of local disk that a worker of a pool needs. */
export const diskGbOf = ({ cacheGb }: Pick<PoolConfig, 'cacheGb'>): number => 2 * cacheGb + FURTHER_GB;

/** A pool with its name. */
export interface Pool {
  name: PoolName;
  pool: PoolConfig;
}

/** The deployment's pools, `single` first. */
export function poolsOf({ gpu: { pools } }: { gpu: GpuConfig }): Pool[] {
  const { single, node } = pools;
  return [
    { name: 'single', pool: { ...single, gpus: 1 } },
    ...(node ? [{ name: 'node' as const, pool: nodePool(node) }] : []),
  ];
}

/** Share of an instance's memory that its kernel, its drivers and the ECS agent leave to the task. */
const TASK_MEMORY = 0.9;

/** What the configuration does not give is the instance's; `checkDeployConfig` refuses a type that is not known without it. */
function nodePool(node: NonNullable<GpuConfig['pools']['node']>): PoolConfig {
  const type = INSTANCE_TYPES[node.instanceType];
  const {
    gpus = type.gpus,
    cpu = type.vcpus * 1024,
    memoryMiB = Math.floor(type.memoryGib * 1024 * TASK_MEMORY),
  } = node;
  return { ...node, gpus, cpu, memoryMiB, capacity: 'auto-scaling-group', accelerators: [] };
}
