/** The alarms of a version's GPU workers. */
import { Alarm, ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { START_MINUTES, type PoolConfig } from '../config/deployment/gpu.ts';
import { capacitiesOf } from './gpu-capacity.ts';
import { unservedDemand, type Work } from './metrics.ts';

/** Notifies `topic` of work for which no worker comes. */
export function alarmWhenStarved(scope: Construct, work: Work, pool: PoolConfig, topic: ITopic): void {
  new Alarm(scope, 'Starved', {
    metric: unservedDemand(work),
    alarmDescription:
      `Work waits in the pool ${work.pool} and no GPU worker starts: look at the events of the services, and at the quota for ` +
      'GPU instances.',
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    threshold: 0,
    evaluationPeriods: START_MINUTES + (capacitiesOf(pool).length > 1 ? pool.fallbackMinutes : 0),
    treatMissingData: TreatMissingData.NOT_BREACHING,
  }).addAlarmAction(new SnsAction(topic));
}
