/** The section `gpu` of a deployment: the GPU workers, their instances and their scaling. */
import { z } from 'zod';

const positiveInt = z.int().positive();

export const gpuSchema = z.strictObject({
  capacity: z
    .enum(['managed-instances', 'auto-scaling-group'])
    .default('managed-instances')
    .describe(
      'What provides the instances: ECS Managed Instances, or an Auto Scaling group (for p5, capacity blocks and ' +
        'custom machine images).',
    ),
  accelerators: z
    .array(z.enum(['l4', 'a10g', 'l40s', 'a100', 'h100']))
    .min(1)
    .default(['l4', 'a10g', 'l40s'])
    .describe('Acceptable GPUs; each worker gets one of them (managed instances only).'),
  instanceType: z
    .string()
    .default('g6.xlarge')
    .describe('Instance type of the Auto Scaling group. The cost estimate uses it for managed instances, too.'),
  capacityBlock: z
    .string()
    .regex(/^cr-\w+$/, 'expected the id of a capacity reservation, such as cr-0123')
    .optional()
    .describe('Id of the capacity block to run in (Auto Scaling group only).'),
  maxWorkers: positiveInt.max(50).default(4).describe('Maximum number of workers.'),
  spot: z.boolean().default(true).describe('Use spot instances, and on-demand instances while no spot is available.'),
  fallbackMinutes: positiveInt
    .default(15)
    .describe('Minutes of demand without a spot worker after which on-demand workers start.'),
  idleMinutes: positiveInt.default(10).describe('Minutes without demand after which the last worker stops.'),
  cpu: positiveInt.default(3584).describe('CPU units of a worker; 1024 are one vCPU.'),
  memoryMiB: positiveInt.default(13_312).describe('Memory of a worker in MiB.'),
  cacheGb: positiveInt
    .default(100)
    .describe("GB on the worker's local disk for cached artifacts, and as much again for cached models."),
  usdPerHour: z
    .number()
    .positive()
    .optional()
    .describe('Price of a worker per hour, for the cost estimate. Default: the list price of `instanceType`.'),
});

export type GpuConfig = z.infer<typeof gpuSchema>;
