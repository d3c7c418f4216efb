/** Alarms about the operation of a deployment: failed deployments and runs, GPUs that are paid for and idle, full disks. */
import { Stack } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, TreatMissingData, type AlarmProps } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Match, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { DeployConfig } from '../config/deployment.ts';
import { poolsOf } from '../config/deployment/gpu.ts';
import { deploymentMetric, poolMetric } from './metrics.ts';
import { runbookOf } from './runbooks.ts';

const { GREATER_THAN_THRESHOLD, LESS_THAN_THRESHOLD } = ComparisonOperator;

/** Percent of the GPUs below which a worker that computes does not use them. */
const IDLE_PERCENT = 5;
/** Loading a model and starting vLLM take less. */
const IDLE_MINUTES = 30;
const FULL_PERCENT = 90;

/** Adds the alarms, which notify `topic`. */
export function addOperationAlarms(scope: Construct, config: DeployConfig, topic: ITopic): void {
  const { name } = config;
  const alarm = (place: Construct, id: string, props: Omit<AlarmProps, 'treatMissingData'>) =>
    new Alarm(place, id, { ...props, treatMissingData: TreatMissingData.NOT_BREACHING }).addAlarmAction(
      new SnsAction(topic),
    );
  alarm(scope, 'RunFailed', {
    metric: deploymentMetric(name, 'RunsFailed'),
    alarmDescription: 'A run has ended with a failure.',
    comparisonOperator: GREATER_THAN_THRESHOLD,
    threshold: 0,
    evaluationPeriods: 1,
  });
  for (const { name: pool } of poolsOf(config)) {
    const place = new Construct(scope, pool === 'single' ? 'Single' : 'Node');
    // Workers publish their use of the GPUs only while an activity is in progress: a minute without one ends the series.
    alarm(place, 'GpuIdle', {
      metric: poolMetric(name, pool, 'GpuUtilization', 'Average'),
      alarmDescription: `Workers of the pool ${pool} have work in progress, and their GPUs have been idle for ${IDLE_MINUTES} minutes.`,
      comparisonOperator: LESS_THAN_THRESHOLD,
      threshold: IDLE_PERCENT,
      evaluationPeriods: IDLE_MINUTES,
    });
    alarm(place, 'DiskFull', {
      metric: poolMetric(name, pool, 'DiskUsed'),
      alarmDescription: `The local disk of a worker of the pool ${pool} is more than ${FULL_PERCENT} % full.`,
      comparisonOperator: GREATER_THAN_THRESHOLD,
      threshold: FULL_PERCENT,
      evaluationPeriods: 5,
    });
  }
  notifyOfFailedDeployments(scope, name, topic);
}

/** The stacks with the clusters of workers and web pages. ECS sends the event for services that have a circuit breaker. */
const CLUSTERS = ['cluster', 'control', 'gpu'];

function notifyOfFailedDeployments(scope: Construct, name: string, topic: ITopic): void {
  const { partition, region, account } = Stack.of(scope);
  // CloudFormation's names of clusters begin with the name of their stack.
  const services = (stack: string) => `arn:${partition}:ecs:${region}:${account}:service/${name}-${stack}-`;
  new Rule(scope, 'FailedDeployment', {
    description: 'ECS could not start the tasks of a new task definition, and went back to the one before it.',
    eventPattern: {
      source: ['aws.ecs'],
      detailType: ['ECS Deployment State Change'],
      detail: { eventName: ['SERVICE_DEPLOYMENT_FAILED'] },
      resources: CLUSTERS.flatMap((stack) => Match.prefix(services(stack))),
    },
    targets: [
      new SnsTopic(topic, {
        message: RuleTargetInput.fromText(
          `The deployment of an ECS service has failed. Runbook: docs/deploy.md#${runbookOf('FailedDeployment')}`,
        ),
      }),
    ],
  });
}
