/** The dashboard, and alarms with notifications. */
import { Stack, type StackProps } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { DeployConfig } from '../config/deployment.ts';
import { poolsOf } from '../config/deployment/gpu.ts';
import { POOLS, type PoolName } from '../config/pools.ts';
import { demandMetric, deploymentMetric, searchMetrics, poolMetric } from './metrics.ts';
import { addOperationAlarms } from './operations.ts';
import type { Version } from './versions.ts';

const { GREATER_THAN_THRESHOLD, LESS_THAN_THRESHOLD } = cloudwatch.ComparisonOperator;
const { BREACHING, NOT_BREACHING } = cloudwatch.TreatMissingData;

/** Age of the last heartbeat that raises an alarm. Activities heartbeat every second, and their heartbeat timeout is 15 s. */
const SILENT_SECONDS = 120;

const graph = (title: string, left: cloudwatch.IMetric[]) =>
  new cloudwatch.GraphWidget({ title, left, width: 12, leftYAxis: { min: 0 } });

/** The current version, whose control worker has to be there. Each version's own stack has the alarms of its GPU workers. */
export interface ObservabilityProps extends StackProps {
  version: Version;
}

/** The dashboard, the alarms of the whole deployment, and the SNS topic that all alarms notify. */
export class ObservabilityStack extends Stack {
  readonly topic: Topic;

  constructor(scope: Construct, id: string, config: DeployConfig, props: ObservabilityProps) {
    super(scope, id, props);
    const { name, alarmEmail } = config;
    this.topic = this.addTopic(alarmEmail, config.kmsKeyArn);
    const parked = deploymentMetric(name, 'ParkedRuns');
    const heartbeat = deploymentMetric(name, 'HeartbeatAge');
    const pools = poolsOf(config).map((pool) => pool.name);

    const alarm = (alarmId: string, alarmProps: cloudwatch.AlarmProps) =>
      new cloudwatch.Alarm(this, alarmId, alarmProps).addAlarmAction(new SnsAction(this.topic));
    alarm('Parked', {
      metric: parked,
      alarmDescription:
        'A round has failed and its run waits for a decision: selm status NAME, then selm retry, skip or stop.',
      comparisonOperator: GREATER_THAN_THRESHOLD,
      threshold: 0,
      evaluationPeriods: 1,
      treatMissingData: NOT_BREACHING,
    });
    for (const pool of POOLS.filter((one) => !pools.includes(one))) {
      alarm('NoPool', {
        metric: demandMetric({ deployment: name, pool, version: props.version.id }),
        alarmDescription: `A run has workers: ${pool}, and the deployment has no such workers: the run waits.`,
        comparisonOperator: GREATER_THAN_THRESHOLD,
        threshold: 0,
        evaluationPeriods: 1,
        treatMissingData: NOT_BREACHING,
      });
    }
    alarm('Silent', {
      metric: demandMetric({ deployment: name, pool: 'single', version: props.version.id }),
      alarmDescription:
        'The control worker publishes no demand: nothing scales. Look at its log, and whether it reaches Temporal.',
      comparisonOperator: LESS_THAN_THRESHOLD,
      threshold: 0,
      evaluationPeriods: 10,
      treatMissingData: BREACHING,
    });
    alarm('Heartbeat', {
      metric: heartbeat,
      alarmDescription: 'A GPU activity sends no heartbeats: its worker hangs or cannot reach Temporal.',
      comparisonOperator: GREATER_THAN_THRESHOLD,
      threshold: SILENT_SECONDS,
      evaluationPeriods: 3,
      treatMissingData: NOT_BREACHING,
    });

    addOperationAlarms(this, config, this.topic);

    new cloudwatch.Dashboard(this, 'Dashboard', {
      // Dashboards are global: the same deployment in another region has its own.
      dashboardName: `${name}-${this.region}`,
      widgets: [
        ...pools.map((pool) => poolGraphs(name, pool)),
        [graph('Runs that wait for a decision', [parked]), graph('Seconds since the last heartbeat', [heartbeat])],
        [
          graph('Sampled tokens and training steps a minute', [
            deploymentMetric(name, 'SampledTokens', 'Sum'),
            deploymentMetric(name, 'TrainingSteps', 'Sum'),
          ]),
        ],
      ],
    });
  }

  private addTopic(email: string | undefined, keyArn: string | undefined): Topic {
    // CloudWatch and EventBridge can publish to an encrypted topic only if the key's policy allows it, which selm cannot change for a
    // given key.
    const masterKey =
      keyArn === undefined ? new Key(this, 'Key', { enableKeyRotation: true }) : Key.fromKeyArn(this, 'Key', keyArn);
    for (const service of ['cloudwatch', 'events'])
      masterKey.grantEncryptDecrypt(new ServicePrincipal(`${service}.amazonaws.com`));
    const topic = new Topic(this, 'Alarms', { enforceSSL: true, masterKey });
    // `enforceSSL` gives the topic a policy of its own, in place of SNS's default, by which the alarms of the account may publish.
    topic.addToResourcePolicy(
      new PolicyStatement({
        actions: ['sns:Publish'],
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
    );
    if (email !== undefined) topic.addSubscription(new EmailSubscription(email));
    return topic;
  }
}

/** A pool's demand and workers, of all versions, and what its workers use of their machines. */
const poolGraphs = (deployment: string, pool: PoolName) => [
  graph(`Pool ${pool}: demand and workers`, [
    searchMetrics({ deployment, pool }, 'Demand', 'Maximum'),
    searchMetrics({ deployment, pool }, 'Workers', 'Sum', 'Capacity'),
  ]),
  graph(`Pool ${pool}: use of GPUs and disks, in percent`, [
    poolMetric(deployment, pool, 'GpuUtilization', 'Average'),
    poolMetric(deployment, pool, 'DiskUsed'),
  ]),
];
