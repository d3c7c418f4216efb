/**
 * Simulates a day of a deployment's GPU services, by minutes. Alarms, scaling steps and limits are read from the templates; ECS,
 * CloudWatch, spot instances and the work are simulated.
 */
import { POOLS, type PoolName } from '../../config/pools.ts';
import { SimulatedMetrics } from './simulated-alarms.ts';
import { servicesOf, type Job, type Round, type SimulatedService } from './simulated-service.ts';
import type { SynthesizedStack } from './variants.ts';

const MINUTES = 24 * 60;
/** Minutes from the start of a task until it takes work: instance, image and model have to be loaded. */
const START_MINUTES: Record<PoolName, number> = { single: 6, node: 12 };

interface Stage extends Pick<Job, 'minutes' | 'checkpointMinutes'> {
  jobs: number;
  pause: number;
}

/** Sample, then labels; score; optimize; evaluate. A training of all weights writes its checkpoints only every 15 minutes. */
const STAGES: Record<PoolName, Stage[]> = {
  single: [
    { jobs: 12, minutes: 7, pause: 3 },
    { jobs: 4, minutes: 3, pause: 0 },
    { jobs: 1, minutes: 45, checkpointMinutes: 1, pause: 0 },
    { jobs: 4, minutes: 5, pause: 0 },
  ],
  node: [
    { jobs: 4, minutes: 8, pause: 3 },
    { jobs: 2, minutes: 5, pause: 0 },
    { jobs: 1, minutes: 150, checkpointMinutes: 15, pause: 0 },
    { jobs: 2, minutes: 5, pause: 0 },
  ],
};

export const jobsOf = (pool: PoolName) => STAGES[pool].reduce((sum, { jobs }) => sum + jobs, 0);

/** A minute of a pool, all versions together. */
interface Minute {
  demand: number;
  spot: number;
  onDemand: number;
  working: number;
  /** Number of spot workers lost in this minute, busy or idle. */
  lost: number;
  /** Number of workers ended by scaling, and (`endedAtWork`) the number of those that were busy. */
  ended: number;
  endedAtWork: number;
  jobsDone: number;
  /** Number of workers by version. */
  versions: Record<string, number>;
}

export interface Day {
  minutes: Record<PoolName, Minute>[];
  rounds: Round[];
}

export interface Weather {
  /** Minutes at which rounds start. */
  arrivals: Record<PoolName, number[]>;
  /** Deployments: the stack of the version's GPU workers. Those of earlier versions are not deployed again. */
  releases: { at: number; version: string; stack: SynthesizedStack }[];
  /** Whether spot capacity is available. */
  spotAvailable: (minute: number) => boolean;
  /** Whether a running spot worker is lost. */
  spotLost: (minute: number) => boolean;
  /** Whether busy tasks are protected. Otherwise ECS may end any task, the oldest first. */
  isProtected: boolean;
  /** Whether the control workers publish that there are 0 workers. */
  publishesZero: boolean;
}

/** Simulates the day. */
export function simulateDay(weather: Weather): Day {
  const services: SimulatedService[] = [];
  const queues = new Map<string, Job[]>();
  const queueOf = ({ pool, version }: Pick<Round, 'pool' | 'version'>) => {
    const key = `${pool} ${version}`;
    if (!queues.has(key)) queues.set(key, []);
    return queues.get(key)!;
  };
  const metrics = new SimulatedMetrics();
  const rounds: Round[] = [];
  const minutes: Day['minutes'] = [];
  let versions: string[] = [];

  for (let now = 0; now < MINUTES; now++, metrics.tick()) {
    const minute = { single: emptyMinute(), node: emptyMinute() };
    for (const { version, stack } of weather.releases.filter(({ at }) => at === now)) {
      versions = [version, ...versions];
      deploy(services, stack, version);
    }
    const [current] = versions;
    for (const pool of POOLS)
      for (const _ of weather.arrivals[pool].filter((at) => at === now))
        rounds.push({ pool, version: current, stage: 0, open: 0, nextAt: now });
    for (const round of rounds.filter(({ open, nextAt, done }) => open === 0 && nextAt === now && done === undefined)) {
      const { jobs, minutes: left, checkpointMinutes } = STAGES[round.pool][round.stage];
      round.open = jobs;
      for (let i = 0; i < jobs; i++)
        queueOf(round).push({ left, minutes: left, ...(checkpointMinutes && { checkpointMinutes }), round });
    }

    for (const service of services) {
      if (service.capacity !== 'spot') continue;
      for (const task of service.running(now)) {
        if (!weather.spotLost(now)) continue;
        minute[service.pool].lost++;
        const job = service.end(task);
        if (job) queueOf(service).unshift(afterLoss(job));
      }
    }
    for (const service of services) for (const task of service.running(now)) task.job ??= queueOf(service).shift();
    const working = services.flatMap((service) => service.running(now).filter(({ job }) => job));

    for (const pool of POOLS) {
      const at = minute[pool];
      for (const version of versions) {
        const own = services.filter((service) => service.pool === pool && service.version === version);
        const busy = own.flatMap((service) => service.running(now)).filter(({ job }) => job).length;
        const demand = queueOf({ pool, version }).length + busy;
        const dimensions = { Deployment: 'selm', Pool: pool, Version: own[0].buildId };
        metrics.publish('Demand', dimensions, demand);
        for (const Capacity of ['spot', 'on-demand'])
          if (weather.publishesZero) metrics.publish('Workers', { ...dimensions, Capacity }, 0);
        for (const service of own) {
          const { length } = service.running(now);
          at[service.capacity === 'spot' ? 'spot' : 'onDemand'] += length;
          at.versions[version] = (at.versions[version] ?? 0) + length;
          if (length > 0) metrics.publish('Workers', { ...dimensions, Capacity: service.capacity }, length);
        }
        at.demand += demand;
        at.working += busy;
      }
    }

    for (const service of services) {
      service.scale(metrics);
      const { pool, capacity, desired } = service;
      const isAvailable = capacity === 'on-demand' || weather.spotAvailable(now);
      const missing = isAvailable ? Math.max(0, desired - service.tasks.length) : 0;
      for (let i = 0; i < missing; i++) service.tasks.push({ readyAt: now + START_MINUTES[pool] });
      // ECS ends unprotected tasks, and waits for protected ones.
      for (const task of service.tasks.filter(({ job }) => !weather.isProtected || !job)) {
        if (service.tasks.length <= desired) break;
        const job = service.end(task);
        minute[pool].ended++;
        if (!job) continue;
        minute[pool].endedAtWork++;
        queueOf(service).unshift(job);
      }
    }

    const ended = services.flatMap(({ tasks }) => tasks).filter((task) => working.includes(task));
    for (const task of ended)
      if (finish(task.job!, now)) {
        minute[task.job!.round.pool].jobsDone++;
        delete task.job;
      }
    minutes.push(minute);
  }
  return { minutes, rounds };
}

const emptyMinute = (): Minute => ({
  demand: 0,
  spot: 0,
  onDemand: 0,
  working: 0,
  lost: 0,
  ended: 0,
  endedAtWork: 0,
  jobsDone: 0,
  versions: {},
});

/** Adds the services of a stack. CloudFormation sets the desired count of a service that it updates to that of the template. */
function deploy(services: SimulatedService[], stack: SynthesizedStack, version: string): void {
  for (const service of servicesOf(stack, version)) {
    const before = services.find(({ key }) => key === service.key);
    if (before) before.desired = service.desired;
    else services.push(service);
  }
}

/** A job whose instance is lost: training resumes from its last checkpoint, and a shard starts again. */
function afterLoss({ left, minutes, checkpointMinutes, round }: Job): Job {
  const kept =
    checkpointMinutes === undefined ? 0 : Math.floor((minutes - left) / checkpointMinutes) * checkpointMinutes;
  return { left: minutes - kept, minutes, ...(checkpointMinutes && { checkpointMinutes }), round };
}

/** Works at a job for a minute. @returns whether the job is done */
function finish(job: Job, now: number): boolean {
  if (--job.left > 0) return false;
  const { round } = job;
  if (--round.open > 0) return true;
  round.nextAt = now + 1 + STAGES[round.pool][round.stage].pause;
  if (++round.stage === STAGES[round.pool].length) round.done = now;
  return true;
}
