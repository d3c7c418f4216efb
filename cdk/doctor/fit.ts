/** Whether a run fits on a worker of a pool: GPU memory, memory and disk of the machine. And what would fit. */
import { poolsOf, type Pool, type PoolConfig } from '../../config/deployment/gpu.ts';
import { INSTANCE_TYPES } from '../../config/deployment/instance-types.ts';
import type { DeployConfig } from '../../config/deployment.ts';
import { checkDeployConfig } from '../../config/load-deployment.ts';
import { poolOf } from '../../config/pools.ts';
import type { RunConfig } from '../../config/run.ts';
import { gigabytes } from '../../engine/bytes.ts';
import { optimizeMemory, sampleMemory } from '../../engine/estimate.ts';
import { diskSpace, gpuTrainingMemory, hostMemory, totalOf } from '../../engine/gpu-estimate.ts';
import type { ModelDimensions } from '../../engine/model-files/dimensions.ts';
import { isOnGpus } from '../../workers/machine/estimate.ts';
import { unfitOn } from '../../workers/machine/gpu-fit.ts';
import { gpusOn, instanceTypesOf, smallestWith } from '../instances.ts';

const MIB = 2 ** 20;

/** Bytes that a run needs on a worker. */
export interface Needs {
  /** Of each GPU in training. Undefined for a run that computes on the CPU. */
  gpu?: number;
  /** Of the task. */
  memory: number;
  disk: number;
}

/** What a run needs of a worker: memory of GPUs and of the machine, and disk, in bytes. */
export function needsOf(run: RunConfig, model: ModelDimensions): Needs {
  const { gpus = 1, sample } = run;
  const optimize = { ...run.optimize, learningRate: 0 };
  const disk = totalOf(diskSpace(model, optimize));
  if (isOnGpus(run)) {
    return {
      gpu: totalOf(gpuTrainingMemory(model, optimize, gpus)),
      memory: totalOf(hostMemory(model, optimize, gpus)),
      disk,
    };
  }
  const sampling = sample.server
    ? 0
    : totalOf(sampleMemory(model, sample, sample.maxPromptLength ?? optimize.maxPromptLength));
  return { memory: Math.max(totalOf(optimizeMemory(model, optimize)), sampling), disk };
}

/** GB of local NVMe disks of an instance type. Undefined if the type is not known. */
const diskOf = (type: string): number | undefined => {
  const size = INSTANCE_TYPES[type];
  return size && size.disks * size.diskGb;
};

/** Why a run does not fit on a worker of a pool that runs on an instance type: a clause. Undefined if it fits. */
export function unfitIn(
  run: RunConfig,
  model: ModelDimensions,
  { name, pool }: Pool,
  type: string,
): string | undefined {
  const { gpus: wanted = 1 } = run;
  const { memory, disk } = needsOf(run, model);
  if (isOnGpus(run)) {
    if (wanted > pool.gpus) return `gpus: ${wanted} is more than the ${pool.gpus} of a worker of the pool ${name}`;
    const gpu = gpusOn(type, pool);
    const unfit = unfitOn(
      Array.from({ length: wanted }, () => gpu),
      run,
      model,
    );
    if (unfit) return unfit.why;
  }
  const given = pool.memoryMiB * MIB;
  if (memory > given) {
    return `it needs an estimated ${gigabytes(memory)} of memory, and gpu.pools.${name}.memoryMiB gives a worker ${gigabytes(given)}`;
  }
  const available = diskOf(type);
  if (available !== undefined && disk > available * 1e9)
    return `it needs an estimated ${gigabytes(disk)} of disk, and ${type} has ${available} GB`;
  return undefined;
}

const GPU = { backend: 'torch', device: 'cuda' } as const;
/** Changes of a training that need less memory, the smallest first. */
const CHEAPER = [{}, { recompute: true }, { recompute: true, microBatchTokens: 4096 }];
/** Nodes to propose where a deployment has none, the cheapest first. */
const NODES = ['p4d.24xlarge', 'p4de.24xlarge', 'g6e.48xlarge', 'p5.48xlarge'];

/** Settings with which a run fits, as clauses: with other workers, on a node, and with LoRA. */
export function whatFits(config: DeployConfig, run: RunConfig, model: ModelDimensions): string[] {
  const pools = poolsOf(config);
  const own = pools.find(({ name }) => name === poolOf(run));
  const node = pools.find(({ name }) => name === 'node');
  const nodes: [string, Pool][] = node
    ? [['', node]]
    : NODES.map((instanceType) => [
        `gpu.pools.node.instanceType: ${instanceType} in the deployment, and `,
        poolsOf(checkDeployConfig({ gpu: { pools: { node: { instanceType } } } }, instanceType))[1],
      ]);
  const found: (string | undefined)[] = [];
  const onGpus = isOnGpus(run) ? '' : 'backend: torch, device: cuda, ';
  if (own) {
    found.push(
      isOnGpus(run)
        ? withMemory(run, model, own)
        : trying({ ...run, ...GPU }, model, own, 'backend: torch, device: cuda'),
    );
  }
  const { gpus = 1 } = run;
  const elsewhere = run.workers === 'single' ? 'workers: node, ' : '';
  for (const [section, pool] of nodes) {
    if (own?.name === 'node' && gpus === pool.pool.gpus) break;
    const settings = `${section}${onGpus}${elsewhere}gpus: ${pool.pool.gpus} in the run`;
    const fitting = trying({ ...run, ...GPU, gpus: pool.pool.gpus }, model, pool, settings);
    found.push(fitting);
    if (fitting) break;
  }
  if (own && run.optimize.full) {
    const lora = { ...run, ...GPU, optimize: { ...run.optimize, full: false } };
    found.push(trying(lora, model, own, `${onGpus}optimize.full: false (a LoRA adapter)`));
  }
  return [...new Set(found.flatMap((settings) => settings ?? []))];
}

/** The settings with which a run fits into a pool, on all of its instance types or on some: a clause. Undefined if there are none. */
function trying(run: RunConfig, model: ModelDimensions, own: Pool, settings: string): string | undefined {
  for (const change of CHEAPER) {
    const changed = { ...run, optimize: { ...run.optimize, ...change } };
    const more = Object.entries(change).filter(
      ([key, value]) => run.optimize[key as keyof typeof change] !== (value as unknown),
    );
    const fitting = instanceTypesOf(own.pool).filter((type) => unfitIn(changed, model, own, type) === undefined);
    if (fitting.length === 0) continue;
    return [settings, ...more.map(([key, value]) => `optimize.${key}: ${value}`), ...onlyOn(own, fitting)].join(', ');
  }
  return undefined;
}

/** The accelerators that leave only these instance types. Nothing if these are all. */
export function onlyOn({ name, pool }: Pool, types: string[]): string[] {
  if (types.length === instanceTypesOf(pool).length) return [];
  const accelerators = types.map((type) => INSTANCE_TYPES[type].gpu.toLowerCase());
  return [`gpu.pools.${name}.accelerators: [${accelerators.join(', ')}]`];
}

/** More memory for the tasks, if that is what is missing and an instance has it. */
function withMemory(run: RunConfig, model: ModelDimensions, { name, pool }: Pool): string | undefined {
  const { memory } = needsOf(run, model);
  if (memory <= pool.memoryMiB * MIB) return undefined;
  const GIB = 1024;
  const larger: PoolConfig = { ...pool, memoryMiB: Math.ceil((memory * 1.1) / MIB / GIB) * GIB };
  const types =
    pool.capacity === 'managed-instances'
      ? pool.accelerators.flatMap((accelerator) => smallestWith(accelerator, larger) ?? [])
      : [pool.instanceType].filter((type) => (INSTANCE_TYPES[type]?.memoryGib ?? 0) * GIB > larger.memoryMiB);
  const fitting = types.filter((type) => unfitIn(run, model, { name, pool: larger }, type) === undefined);
  if (fitting.length === 0) return undefined;
  return [`gpu.pools.${name}.memoryMiB: ${larger.memoryMiB}`, ...onlyOn({ name, pool: larger }, fitting)].join(', ');
}
