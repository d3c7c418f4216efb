/** ECS services of GPU workers in the simulation, with the alarms, steps and limits of the template. */
import type { PoolName } from '../../config/pools.ts';
import { SimulatedAlarm, type SimulatedMetrics } from './simulated-alarms.ts';
import type { Resource, SynthesizedStack } from './variants.ts';

export interface Job {
  /** Minutes of remaining work. */
  left: number;
  minutes: number;
  /** Minutes between checkpoints; undefined if the job starts again after a loss. */
  checkpointMinutes?: number;
  round: Round;
}

export interface Round {
  pool: PoolName;
  /** The version that it started on, and stays with. */
  version: string;
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

interface Step {
  MetricIntervalLowerBound?: number;
  MetricIntervalUpperBound?: number;
  ScalingAdjustment: number;
}

/** A service: the workers of a pool, a version and a capacity. */
export class SimulatedService {
  readonly pool: PoolName;
  /** The name of its version in the simulation, and its build id in Temporal. */
  readonly version: string;
  readonly buildId: string;
  readonly capacity: 'spot' | 'on-demand';
  desired: number;
  tasks: Task[] = [];
  private readonly limits: { min: number; max: number };
  private readonly rules: { alarm: SimulatedAlarm; steps: Step[] }[];

  /** @param id of the AWS::ECS::Service */
  constructor({ template: { Resources } }: SynthesizedStack, id: string, version: string) {
    this.version = version;
    const all = (type: string) => Object.entries(Resources).filter(([, { Type }]) => Type === type);
    const service = Resources[id].Properties;
    this.desired = service['DesiredCount'] as number;

    const [container] = Resources[service['TaskDefinition'].Ref].Properties['ContainerDefinitions'] as {
      Command: string[];
      Environment: { Name: string; Value: string }[];
    }[];
    const variable = (name: string) => container.Environment.find(({ Name }) => Name === name)!.Value;
    this.pool = variable('SELM_POOL') as PoolName;
    this.capacity = variable('SELM_CAPACITY') as 'spot' | 'on-demand';
    this.buildId = container.Command[container.Command.indexOf('--build-id') + 1];

    const [target, { Properties: limits }] = all('AWS::ApplicationAutoScaling::ScalableTarget').find(
      ([, { Properties }]) => JSON.stringify(Properties['ResourceId']).includes(`["${id}","Name"]`),
    )!;
    this.limits = { min: limits['MinCapacity'] as number, max: limits['MaxCapacity'] as number };
    const policies = all('AWS::ApplicationAutoScaling::ScalingPolicy').filter(
      ([, { Properties }]) => Properties['ScalingTargetId'].Ref === target,
    );
    this.rules = policies.map(([policy, { Properties }]) => ({
      alarm: new SimulatedAlarm(alarmOf(all('AWS::CloudWatch::Alarm'), policy)),
      steps: Properties['StepScalingPolicyConfiguration'].StepAdjustments as Step[],
    }));
  }

  get key(): string {
    return [this.pool, this.buildId, this.capacity].join(' ');
  }

  /** Its workers that take work. */
  running(now: number): Task[] {
    return this.tasks.filter(({ readyAt }) => readyAt <= now);
  }

  /** Evaluates the alarms and sets the desired number of tasks. */
  scale(metrics: SimulatedMetrics): void {
    for (const { alarm, steps } of this.rules) {
      const distance = alarm.evaluate(metrics);
      if (distance === undefined) continue;
      const step = steps.find(
        ({ MetricIntervalLowerBound: lower = -Infinity, MetricIntervalUpperBound: upper = Infinity }) =>
          distance >= lower && (distance < upper || upper <= 0),
      );
      this.desired = Math.min(this.limits.max, Math.max(this.limits.min, step!.ScalingAdjustment));
    }
  }

  /** Removes a task. @returns its job */
  end(task: Task): Job | undefined {
    this.tasks = this.tasks.filter((other) => other !== task);
    return task.job;
  }
}

const alarmOf = (alarms: [string, Resource][], policy: string): Resource['Properties'] =>
  alarms.find(([, { Properties }]) => JSON.stringify(Properties['AlarmActions']).includes(`"${policy}"`))![1]
    .Properties;

/** The services of a template. */
export const servicesOf = (stack: SynthesizedStack, version: string): SimulatedService[] =>
  Object.entries(stack.template.Resources).flatMap(([id, { Type }]) =>
    Type === 'AWS::ECS::Service' ? [new SimulatedService(stack, id, version)] : [],
  );
