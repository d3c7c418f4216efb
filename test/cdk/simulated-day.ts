/**
 * Simulates a day of a deployment's GPU services, by minutes. Alarms, scaling steps and limits are read from the template; ECS,
 * spot instances and the work are simulated.
 */
import type { Resource, SynthesizedStack } from './variants.ts';

const MINUTES = 24 * 60;
/** Time from the start of a task until it takes work: instance, image and model have to be loaded. */
const START_MINUTES = 6;

interface Job {
  /** Minutes of remaining work. After a loss, training resumes from its checkpoint and a shard restarts. */
  left: number;
  minutes: number;
  resumes: boolean;
  round: Round;
}

interface Round {
  stage: number;
  open: number;
  /** Minute at which the next stage begins. Until then the control worker labels. */
  nextAt: number;
  done?: number;
}

interface Task {
  readyAt: number;
  job?: Job;
}

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
}

export interface Day {
  minutes: Minute[];
  rounds: Round[];
}

export interface Weather {
  /** Minutes at which rounds start. */
  arrivals: number[];
  /** Whether spot capacity is available. */
  spotAvailable: (minute: number) => boolean;
  /** Whether a running spot worker is lost. */
  spotLost: (minute: number) => boolean;
  /** Whether busy tasks are protected. Otherwise ECS may end any task, the oldest first. */
  isProtected: boolean;
}

const STAGES = [
  { jobs: 12, minutes: 7, resumes: false, pause: 3 }, // sample, then labels
  { jobs: 4, minutes: 3, resumes: false, pause: 0 }, // score
  { jobs: 1, minutes: 45, resumes: true, pause: 0 }, // optimize
  { jobs: 4, minutes: 5, resumes: false, pause: 0 }, // evaluate
];

/** An ECS service with the alarms and scaling policies of the template. */
class Service {
  desired: number;
  tasks: Task[] = [];
  private readonly limits: { min: number; max: number };
  private readonly alarms: { alarm: Resource['Properties']; steps: Step[]; history: number[] }[];

  constructor({ template: { Resources } }: SynthesizedStack, place: string) {
    const find = (type: string) =>
      Object.entries(Resources).filter(([id, { Type }]) => Type === type && id.startsWith(place));
    const [[, target]] = find('AWS::ApplicationAutoScaling::ScalableTarget');
    this.limits = { min: target.Properties['MinCapacity'], max: target.Properties['MaxCapacity'] };
    const [[, service]] = find('AWS::ECS::Service');
    this.desired = service.Properties['DesiredCount'];
    this.alarms = find('AWS::CloudWatch::Alarm').map(([, { Properties: alarm }]) => {
      const { Properties } = Resources[alarm['AlarmActions'][0].Ref];
      return { alarm, steps: Properties['StepScalingPolicyConfiguration'].StepAdjustments, history: [] };
    });
  }

  /** Evaluates the alarms for the metrics of this minute and scales the service. */
  scale(metrics: Record<string, number>): void {
    for (const { alarm, steps, history } of this.alarms) {
      const value = valueOf(alarm, metrics);
      history.push(value);
      const { Threshold, ComparisonOperator, EvaluationPeriods } = alarm;
      const breaches = (point: number) =>
        ComparisonOperator === 'LessThanThreshold' ? point < Threshold : point >= Threshold;
      const latest = history.slice(-EvaluationPeriods);
      if (latest.length < EvaluationPeriods || !latest.every(breaches)) continue;
      const distance = value - Threshold;
      const step = steps.find(
        ({ MetricIntervalLowerBound: lower = -Infinity, MetricIntervalUpperBound: upper = Infinity }) =>
          distance >= lower && (distance < upper || upper <= 0),
      );
      this.desired = Math.min(this.limits.max, Math.max(this.limits.min, step!.ScalingAdjustment));
    }
  }
}

interface Step {
  MetricIntervalLowerBound?: number;
  MetricIntervalUpperBound?: number;
  ScalingAdjustment: number;
}

// Functions of CloudWatch's metric math.
const IF = (condition: boolean, yes: number, no: number) => (condition ? yes : no);
const FILL = (value: number | undefined, other: number) => value ?? other;

/** The value of the alarm's metric or metric expression. */
function valueOf(alarm: Resource['Properties'], metrics: Record<string, number>): number {
  if (alarm['MetricName'] !== undefined) return metrics[alarm['MetricName']];
  const queries = alarm['Metrics'] as Record<string, any>[]; // oxlint-disable-line typescript/no-explicit-any
  const { Expression } = queries.find((query) => query['Expression'])!;
  const inputs = queries.filter((query) => query['MetricStat']);
  const keys = inputs.map(({ MetricStat: { Metric } }) =>
    [
      Metric.MetricName,
      ...Metric.Dimensions.filter(({ Name }: Record<string, string>) => Name === 'Capacity').map(
        ({ Value }: Record<string, string>) => Value,
      ),
    ].join(' '),
  );
  // oxlint-disable-next-line typescript/no-implied-eval
  const compute = new Function('IF', 'FILL', ...inputs.map(({ Id }) => Id), `return ${Expression}`) as (
    ...values: unknown[]
  ) => number;
  return compute(IF, FILL, ...keys.map((key) => metrics[key]));
}

/** Simulates the day. @param stack the template of the GPU workers */
export function simulateDay(stack: SynthesizedStack, { arrivals, spotAvailable, spotLost, isProtected }: Weather): Day {
  const spot = new Service(stack, 'SpotWorkers');
  const onDemand = new Service(stack, 'OnDemandWorkers');
  const services = [spot, onDemand];
  const queue: Job[] = [];
  const rounds: Round[] = [];
  const minutes: Minute[] = [];

  const begin = (round: Round) => {
    const stage = STAGES[round.stage];
    round.open = stage.jobs;
    for (let i = 0; i < stage.jobs; i++)
      queue.push({ left: stage.minutes, minutes: stage.minutes, resumes: stage.resumes, round });
  };

  for (let now = 0; now < MINUTES; now++) {
    const minute: Minute = {
      demand: 0,
      spot: 0,
      onDemand: 0,
      working: 0,
      lost: 0,
      ended: 0,
      endedAtWork: 0,
      jobsDone: 0,
    };
    for (const _ of arrivals.filter((at) => at === now)) rounds.push({ stage: 0, open: 0, nextAt: now });
    for (const round of rounds) if (round.open === 0 && round.nextAt === now && round.done === undefined) begin(round);

    // The job of a lost spot instance is queued again.
    for (const task of spot.tasks.filter(({ readyAt }) => readyAt <= now)) {
      if (!spotLost(now)) continue;
      minute.lost++;
      spot.tasks = spot.tasks.filter((other) => other !== task);
      if (task.job) queue.unshift({ ...task.job, left: task.job.resumes ? task.job.left : task.job.minutes });
    }

    const ready = services.flatMap(({ tasks }) => tasks).filter(({ readyAt }) => readyAt <= now);
    for (const task of ready) task.job ??= queue.shift();
    const working = ready.filter(({ job }) => job);
    minute.working = working.length;
    minute.demand = queue.length + working.length;
    const running = ({ tasks }: Service) => tasks.filter(({ readyAt }) => readyAt <= now).length;
    [minute.spot, minute.onDemand] = [running(spot), running(onDemand)];
    const metrics: Record<string, number> = { Demand: minute.demand };
    if (minute.spot > 0) metrics['Workers spot'] = minute.spot;

    for (const service of services) {
      service.scale(metrics);
      const missing =
        service === onDemand || spotAvailable(now) ? Math.max(0, service.desired - service.tasks.length) : 0;
      for (let i = 0; i < missing; i++) service.tasks.push({ readyAt: now + START_MINUTES });
      // ECS ends unprotected tasks, and waits for protected ones.
      for (const task of service.tasks.filter(({ job }) => !isProtected || !job)) {
        if (service.tasks.length <= service.desired) break;
        service.tasks = service.tasks.filter((other) => other !== task);
        minute.ended++;
        if (!task.job) continue;
        minute.endedAtWork++;
        queue.unshift({ ...task.job });
        delete task.job;
      }
    }

    for (const task of working) {
      const { job } = task;
      if (!job || --job.left > 0) continue;
      delete task.job;
      minute.jobsDone++;
      const { round } = job;
      if (--round.open > 0) continue;
      round.nextAt = now + 1 + STAGES[round.stage].pause;
      if (++round.stage === STAGES.length) round.done = now;
    }
    minutes.push(minute);
  }
  return { minutes, rounds };
}

export const JOBS_A_ROUND = STAGES.reduce((sum, { jobs }) => sum + jobs, 0);
