/** The dashboard, and alarms with notifications. */
import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { DeployConfig } from '../config/deployment.ts';
import { deploymentMetric, workersMetric } from './metrics.ts';

const { GREATER_THAN_THRESHOLD, LESS_THAN_THRESHOLD } = cloudwatch.ComparisonOperator;
const { BREACHING, NOT_BREACHING } = cloudwatch.TreatMissingData;

/** Minutes to start an instance and load the image and the model. */
const START_MINUTES = 20;
/** Age of the last heartbeat that raises an alarm. Activities heartbeat every second, and their heartbeat timeout is 15 s. */
const SILENT_SECONDS = 120;

const graph = (title: string, left: cloudwatch.IMetric[]) =>
  new cloudwatch.GraphWidget({ title, left, width: 12, leftYAxis: { min: 0 } });

/** The dashboard, the alarms, and the SNS topic that they notify. */
export class ObservabilityStack extends Stack {
  constructor(scope: Construct, id: string, config: DeployConfig, props: StackProps) {
    super(scope, id, props);
    const { name, gpu, alarmEmail } = config;
    const topic = this.topic(alarmEmail);
    const demand = deploymentMetric(name, 'Demand');
    const [spot, onDemand] = [workersMetric(name, 'spot'), workersMetric(name, 'on-demand')];
    const parked = deploymentMetric(name, 'ParkedRuns');
    const heartbeat = deploymentMetric(name, 'HeartbeatAge');

    const alarm = (alarmId: string, alarmProps: cloudwatch.AlarmProps) =>
      new cloudwatch.Alarm(this, alarmId, alarmProps).addAlarmAction(new SnsAction(topic));
    alarm('Parked', {
      metric: parked,
      alarmDescription:
        'A round has failed and its run waits for a decision: selm status NAME, then selm retry, skip or stop.',
      comparisonOperator: GREATER_THAN_THRESHOLD,
      threshold: 0,
      evaluationPeriods: 1,
      treatMissingData: NOT_BREACHING,
    });
    const starved = new cloudwatch.MathExpression({
      expression: 'IF(FILL(spot, 0) + FILL(other, 0) < 1, demand, 0)',
      usingMetrics: { demand, spot, other: onDemand },
      label: 'Demand without workers',
      period: Duration.minutes(1),
    });
    const minutes = START_MINUTES + (gpu.spot ? gpu.fallbackMinutes : 0);
    alarm('Starved', {
      metric: starved,
      alarmDescription:
        'Work waits and no GPU worker comes: look at the events of the services, and at the quota for GPU instances.',
      comparisonOperator: GREATER_THAN_THRESHOLD,
      threshold: 0,
      evaluationPeriods: minutes,
      treatMissingData: NOT_BREACHING,
    });
    alarm('Silent', {
      metric: demand,
      alarmDescription:
        'The control worker publishes no demand: nothing scales. Look at its log, and whether it reaches Temporal.',
      comparisonOperator: LESS_THAN_THRESHOLD,
      threshold: 0,
      evaluationPeriods: 10,
      treatMissingData: BREACHING,
    });
    alarm('Heartbeat', {
      metric: heartbeat,
      alarmDescription:
        'A GPU activity counts as running but has not been heard of: its worker hangs or cannot reach Temporal.',
      comparisonOperator: GREATER_THAN_THRESHOLD,
      threshold: SILENT_SECONDS,
      evaluationPeriods: 3,
      treatMissingData: NOT_BREACHING,
    });

    new cloudwatch.Dashboard(this, 'Dashboard', {
      dashboardName: name,
      widgets: [
        [graph('Demand and GPU workers', [demand, spot, onDemand]), graph('Runs that wait for a decision', [parked])],
        [
          graph('Seconds since the last heartbeat', [heartbeat]),
          graph('Sampled tokens and training steps a minute', [
            deploymentMetric(name, 'SampledTokens', 'Sum'),
            deploymentMetric(name, 'TrainingSteps', 'Sum'),
          ]),
        ],
      ],
    });
  }

  private topic(email: string | undefined): Topic {
    // CloudWatch can publish to an encrypted topic only if the key's policy allows it.
    const masterKey = new Key(this, 'Key', { enableKeyRotation: true });
    masterKey.grantEncryptDecrypt(new ServicePrincipal('cloudwatch.amazonaws.com'));
    const topic = new Topic(this, 'Alarms', { enforceSSL: true, masterKey });
    if (email !== undefined) topic.addSubscription(new EmailSubscription(email));
    return topic;
  }
}
