/** Scaling of a service: the number of tasks follows the demand up to a limit, and is 0 after some time without demand. */
import { Duration } from 'aws-cdk-lib';
import * as scaling from 'aws-cdk-lib/aws-applicationautoscaling';
import { Alarm, ComparisonOperator, TreatMissingData, type IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import { ApplicationScalingAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { FargateService, Ec2Service } from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';

/** The service to scale, its limits and its demand. */
export interface ScalingProps {
  service: FargateService | Ec2Service;
  maxWorkers: number;
  /** Keeps the service at zero tasks regardless of the demand. */
  stopped: boolean;
  /** Activities that wait or are in progress, every minute. A worker processes one at a time. */
  demand: IMetric;
  /** Minutes of demand before the first worker starts. */
  startMinutes: number;
  /** Minutes without demand before the last worker stops. */
  idleMinutes: number;
}

/** Application Auto Scaling's limit for the steps of a policy. */
const MAX_STEPS = 20;

/**
 * The numbers of workers that scaling can set, the last of which is `maxWorkers`: every number up to 20 workers. With more, the gaps grow with
 * the numbers, so that the next number that is enough for a demand is at most a fifth above it.
 */
function workerSteps(maxWorkers: number): number[] {
  const steps = Math.min(maxWorkers, MAX_STEPS);
  return Array.from({ length: steps }, (_, i) => Math.max(i + 1, Math.round(maxWorkers ** ((i + 1) / steps))));
}

/**
 * Sets the service's number of tasks to the demand, up to `maxWorkers`. Scaling in never interrupts work: the demand includes activities in
 * progress, and ECS does not stop a task that protects itself.
 */
export function scaleToDemand(scope: Construct, props: ScalingProps): void {
  const { service, maxWorkers, stopped, demand, startMinutes, idleMinutes } = props;
  const scalingTarget = new scaling.ScalableTarget(scope, 'Scaling', {
    serviceNamespace: scaling.ServiceNamespace.ECS,
    scalableDimension: 'ecs:service:DesiredCount',
    resourceId: `service/${service.cluster.clusterName}/${service.serviceName}`,
    minCapacity: 0,
    maxCapacity: stopped ? 0 : maxWorkers,
  });
  const policy = { scalingTarget, adjustmentType: scaling.AdjustmentType.EXACT_CAPACITY };
  // Missing data changes nothing; a separate alarm (`Silent`) reports a missing metric.
  const alarm = { metric: demand, threshold: 1, treatMissingData: TreatMissingData.IGNORE };

  const some = new scaling.StepScalingAction(scope, 'ToDemand', { ...policy, cooldown: Duration.seconds(0) });
  const steps = workerSteps(maxWorkers);
  for (const [index, workers] of steps.entries()) {
    // The bounds are relative to the alarm's threshold.
    some.addAdjustment({
      adjustment: workers,
      lowerBound: steps[index - 1] ?? 0,
      ...(workers < maxWorkers && { upperBound: workers }),
    });
  }
  new Alarm(scope, 'Demand', {
    ...alarm,
    alarmDescription: 'Scales GPU workers to the waiting work. Not a fault.',
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    evaluationPeriods: startMinutes,
  }).addAlarmAction(new ApplicationScalingAction(some));

  const none = new scaling.StepScalingAction(scope, 'ToZero', { ...policy, cooldown: Duration.seconds(0) });
  none.addAdjustment({ adjustment: 0, upperBound: 0 });
  new Alarm(scope, 'Idle', {
    ...alarm,
    alarmDescription: 'No work for GPU workers: scales them to zero. Not a fault.',
    comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
    // Between two steps of a round there is no demand for some time. A worker that stays keeps its model loaded.
    evaluationPeriods: idleMinutes,
  }).addAlarmAction(new ApplicationScalingAction(none));
}
