/** The declared runs of a deployment: whether the workers of their pools can compute them, and what their rounds need. */
import type { DeployConfig } from '../../config/deployment.ts';
import { poolsOf, type Pool } from '../../config/deployment/gpu.ts';
import { INSTANCE_TYPES } from '../../config/deployment/instance-types.ts';
import { readConfig } from '../../config/load.ts';
import { poolOf, type PoolName } from '../../config/pools.ts';
import { INSTANCE_HOURS } from '../../config/prices.ts';
import type { RunConfig } from '../../config/run.ts';
import { estimateRun, isOnGpus, shapeOf, type Estimate } from '../../workers/machine/estimate.ts';
import { capacitiesOf } from '../gpu-capacity.ts';
import { gpusOn, instanceTypesOf, workerHour } from '../instances.ts';
import { needsOf, onlyOn, unfitIn, whatFits, type Needs } from './fit.ts';
import type { Finding } from './findings.ts';
import { describeWanted } from './offers.ts';
import { examinePrograms } from './programs.ts';

/** A declared run on the slowest instance type that its pool may give it. */
export interface RunFinding extends Finding {
  run: string;
  pool: PoolName;
  instanceType?: string;
  needs?: Needs;
  /** Of a round, if all prompts and responses have the maximum length. */
  hours?: Estimate['hours'];
  usdPerRound?: number;
}

/** Compares each run of the schedules with the instances of its pool, and with the images. Nothing is downloaded. */
export async function examineRuns(config: DeployConfig): Promise<RunFinding[]> {
  const findings: RunFinding[] = [];
  for (const { run: given } of config.schedules) {
    const run = readConfig('schedules', given as object, '.');
    findings.push(await examineRun(config, run), ...examinePrograms(config, run));
  }
  return findings;
}

async function examineRun(config: DeployConfig, run: RunConfig): Promise<RunFinding> {
  const name = poolOf(run);
  const base = { run: run.name, pool: name, check: `run ${run.name} on ${name}` };
  const unknown: string[] = [];
  const model = shapeOf(run, unknown);
  if (!model) return { ...base, verdict: 'not checked', detail: unknown.join(' ') };
  const own = poolsOf(config).find((one) => one.name === name);
  const stops = (why: string, ways = whatFits(config, run, model)): RunFinding => ({
    ...base,
    verdict: 'stops',
    needs: needsOf(run, model),
    detail: `${why}. ${ways.length > 0 ? `It would fit with ${ways.join('; or with ')}.` : 'Use a smaller model.'}`,
  });
  if (!own) return stops('the deployment has no pool node');
  const types = instanceTypesOf(own.pool);
  if (types.length === 0) return stops(`no known instance type has ${describeWanted(name)}`);
  const unfit = types.flatMap((type) => {
    const why = unfitIn(run, model, own, type);
    return why === undefined ? [] : [{ type, why }];
  });
  if (unfit.length > 0) {
    const fitting = types.filter((type) => !unfit.some((one) => one.type === type));
    const ways = fitting.length > 0 ? onlyOn(own, fitting) : undefined;
    return stops(`${unfit[0].why} (${unfit[0].type})`, ways);
  }
  return fine(config, run, own, types, { ...base, needs: needsOf(run, model) });
}

const total = ({ hours }: Estimate) => (hours ? (hours.sample ?? 0) + hours.optimize + (hours.evaluate ?? 0) : 0);

async function fine(
  config: DeployConfig,
  run: RunConfig,
  { name, pool }: Pool,
  types: string[],
  base: Pick<RunFinding, 'run' | 'pool' | 'check'> & { needs: Needs },
): Promise<RunFinding> {
  const estimates = await Promise.all(
    types.map(async (type) => ({ type, ...(await estimateRun(asOn(run, pool), { gpu: gpusOn(type, pool).gpu })) })),
  );
  const slowest = estimates.reduce((a, b) => (total(b) > total(a) ? b : a));
  const { type, hours } = slowest;
  const priced = pool.usdPerHour !== undefined || INSTANCE_HOURS[type] !== undefined;
  const usdPerRound =
    hours && priced ? total(slowest) * workerHour(config, name, type, capacitiesOf(pool)[0]) : undefined;
  const cpu = isOnGpus(run)
    ? []
    : ['it computes on the CPU of a GPU worker: set backend: torch and device: cuda, or the GPU is idle'];
  const detail = [
    memoryText(base.needs, pool.memoryMiB, type),
    hours ? `a round takes at most ${total(slowest).toFixed(2)} hours` : 'hours are unknown without prompts.perRound',
    ...(usdPerRound === undefined ? [] : [`and costs at most ${usdPerRound.toFixed(2)} USD of GPU hours`]),
    ...cpu,
  ].join('; ');
  const verdict = cpu.length > 0 ? 'warning' : 'fine';
  return { ...base, check: `${base.check} (${type})`, verdict, instanceType: type, hours, usdPerRound, detail };
}

/** The run with the cores of a worker, which compute where no GPU does. */
const asOn = (run: RunConfig, { cpu }: { cpu: number }): RunConfig => ({ ...run, threads: Math.ceil(cpu / 1024) });

const gb = (bytes: number) => (bytes / 1e9).toFixed(0);

function memoryText({ gpu, memory, disk }: Needs, memoryMiB: number, type: string): string {
  const size = INSTANCE_TYPES[type];
  const of = (bytes: number | undefined) => (bytes === undefined ? '' : ` of ${gb(bytes)}`);
  return [
    ...(gpu === undefined ? [] : [`${gb(gpu)}${of(size && size.gpuMemoryGib * 2 ** 30)} GB of each GPU`]),
    `${gb(memory)}${of(memoryMiB * 2 ** 20)} GB of memory`,
    `${gb(disk)}${of(size && size.disks * size.diskGb * 1e9)} GB of disk`,
  ].join(', ');
}
