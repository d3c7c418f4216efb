/** How many workers there are: as many as there is demand for, up to a limit, and none after a while without any. */
import { Duration } from 'aws-cdk-lib';
import * as scaling from 'aws-cdk-lib/aws-applicationautoscaling';
import { Alarm, ComparisonOperator, TreatMissingData, type IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import { ApplicationScalingAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { FargateService, Ec2Service } from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';

export interface ScalingProps {
  service: FargateService | Ec2Service;
  maxWorkers: number;
  /** Keeps it at none whatever the demand. */
  stopped: boolean;
  /** Jobs that wait or are in flight, each minute: a worker does one at a time. */
  demand: IMetric;
  /** Of demand before the first worker comes. */
  startMinutes: number;
  /** Without demand before the last one goes. */
  idleMinutes: number;
}

/**
 * Sets the service's number of tasks to the demand. What a worker has in flight is part of it, and ECS does not stop a task
 * that protects itself, so a smaller number never costs work: it waits until a worker is done.
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
  // Without data nothing changes: an alarm of its own tells that the metric is missing.
  const alarm = { metric: demand, threshold: 1, treatMissingData: TreatMissingData.IGNORE };

  const some = new scaling.StepScalingAction(scope, 'ToDemand', { ...policy, cooldown: Duration.seconds(0) });
  for (let workers = 1; workers <= maxWorkers; workers++) {
    // Bounds are relative to the alarm's threshold.
    some.addAdjustment({
      adjustment: workers,
      lowerBound: workers - 1,
      ...(workers < maxWorkers && { upperBound: workers }),
    });
  }
  new Alarm(scope, 'Demand', {
    ...alarm,
    alarmDescription: 'Work for GPU workers: their number follows it. It is no fault.',
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    evaluationPeriods: startMinutes,
  }).addAlarmAction(new ApplicationScalingAction(some));

  const none = new scaling.StepScalingAction(scope, 'ToZero', { ...policy, cooldown: Duration.seconds(0) });
  none.addAdjustment({ adjustment: 0, upperBound: 0 });
  new Alarm(scope, 'Idle', {
    ...alarm,
    alarmDescription: 'No work for GPU workers: the last one goes. It is no fault.',
    comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
    // Between two steps of a round there is no demand for a while; a worker that stays has its model loaded.
    evaluationPeriods: idleMinutes,
  }).addAlarmAction(new ApplicationScalingAction(none));
}
