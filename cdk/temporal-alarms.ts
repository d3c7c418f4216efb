/** Alarms on the self-hosted Temporal server and its database. */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Rule } from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { SelfHostedConfig } from '../config/deployment/temporal.ts';
import type { TemporalStack } from './temporal.ts';

const { GREATER_THAN_THRESHOLD, LESS_THAN_THRESHOLD } = cloudwatch.ComparisonOperator;
const { BREACHING, NOT_BREACHING } = cloudwatch.TreatMissingData;

/** Minutes without a healthy server that raise an alarm. A deployment replaces the server in fewer. */
const SERVER_MINUTES = 15;
/** Minutes at the capacity limit that raise an alarm. A peak is over sooner. */
const CAPACITY_MINUTES = 30;
const CAPACITY_PERCENT = 95;
/** Free local storage, for sorting and logs, in bytes that raises an alarm. */
const LOCAL_STORAGE = 512 * 1024 ** 2;
const CONNECTIONS_SHARE = 0.8;

/** Adds the alarms to `scope`. They notify `topic`. */
export function addTemporalAlarms(
  scope: Construct,
  config: SelfHostedConfig,
  { database, service, targets }: TemporalStack,
  topic: ITopic,
): void {
  const alarm = (id: string, props: cloudwatch.AlarmProps) =>
    new cloudwatch.Alarm(scope, id, props).addAlarmAction(new SnsAction(topic));
  const minute = Duration.minutes(1);
  // A stopped server has no healthy target.
  if (!config.stopped)
    alarm('TemporalDown', {
      metric: targets.metrics.healthyHostCount({ statistic: 'Maximum', period: minute }),
      alarmDescription:
        'The Temporal server is not healthy: all runs wait. Look at its log group and at the events of its ECS service.',
      comparisonOperator: LESS_THAN_THRESHOLD,
      threshold: 1,
      evaluationPeriods: SERVER_MINUTES,
      treatMissingData: BREACHING,
    });
  alarm('TemporalDatabaseCapacity', {
    metric: database.metricACUUtilization({ period: minute }),
    alarmDescription: "Temporal's database is at its maximum capacity: increase temporal.maxAcu.",
    comparisonOperator: GREATER_THAN_THRESHOLD,
    threshold: CAPACITY_PERCENT,
    evaluationPeriods: CAPACITY_MINUTES,
    treatMissingData: NOT_BREACHING,
  });
  alarm('TemporalDatabaseStorage', {
    metric: database.metric('FreeLocalStorage', { statistic: 'Minimum', period: minute }),
    alarmDescription:
      "Temporal's database has little local storage left, which grows with its capacity: increase temporal.minAcu.",
    comparisonOperator: LESS_THAN_THRESHOLD,
    threshold: LOCAL_STORAGE,
    evaluationPeriods: 5,
    treatMissingData: NOT_BREACHING,
  });
  alarm('TemporalDatabaseConnections', {
    metric: database.metricDatabaseConnections({ statistic: 'Maximum', period: minute }),
    alarmDescription:
      "Temporal's database is near its limit of connections, which grows with its capacity: increase temporal.maxAcu.",
    comparisonOperator: GREATER_THAN_THRESHOLD,
    threshold: Math.floor(CONNECTIONS_SHARE * maxConnections(config)),
    evaluationPeriods: 5,
    treatMissingData: NOT_BREACHING,
  });
  new Rule(scope, 'TemporalDeploymentFailed', {
    description: 'The deployment of the Temporal server has failed.',
    eventPattern: {
      source: ['aws.ecs'],
      detailType: ['ECS Deployment State Change'],
      resources: [service.serviceArn],
      detail: { eventName: ['SERVICE_DEPLOYMENT_FAILED'] },
    },
    targets: [new SnsTopic(topic)],
  });
}

/**
 * Default of `max_connections` for Aurora PostgreSQL Serverless v2: 189 at a maximum of 1 ACU, 823 at 4, 1669 at 8 (linear), at most 2000
 * with a minimum of up to 0.5 ACU and at most 5000. Source: Aurora User Guide, "Maximum connections for Aurora Serverless v2".
 */
const maxConnections = ({ minAcu, maxAcu }: SelfHostedConfig): number =>
  Math.min(189 + (823 - 189) * ((maxAcu - 1) / 3), minAcu <= 0.5 ? 2000 : 5000);
