/** The workers' metrics, for alarms, scaling and the dashboard. */
import { Duration } from 'aws-cdk-lib';
import { MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { PoolName } from '../config/pools.ts';
import { METRICS_NAMESPACE } from './environment.ts';
import type { Capacity } from './gpu-capacity.ts';

const period = Duration.minutes(1);

const metric = (metricName: string, dimensionsMap: Record<string, string>, statistic: string) =>
  new Metric({ namespace: METRICS_NAMESPACE, metricName, dimensionsMap, statistic, period });

/** A metric of the whole deployment; the control worker publishes it every minute. */
export const deploymentMetric = (deployment: string, name: string, statistic = 'Maximum') =>
  metric(name, { Deployment: deployment }, statistic);

/** A metric of the GPU workers of a pool. */
export const poolMetric = (deployment: string, pool: PoolName, name: string, statistic = 'Maximum') =>
  metric(name, { Deployment: deployment, Pool: pool }, statistic);

/** What a version's GPU workers of a pool do: the work of runs that are pinned to the version and go to the pool. */
export interface Work {
  deployment: string;
  pool: PoolName;
  /** Temporal build id. */
  version: string;
}

const dimensionsOf = ({ deployment, pool, version }: Work) => ({
  Deployment: deployment,
  Pool: pool,
  Version: version,
});

/** Activities that wait or are in progress. The version's control worker publishes it every minute. */
export const demandMetric = (work: Work) => metric('Demand', dimensionsOf(work), 'Maximum');

/** The number of workers of a capacity: each publishes 1 every minute, and the control worker 0. */
const workersMetric = (work: Work, capacity: Capacity) =>
  metric('Workers', { ...dimensionsOf(work), Capacity: capacity }, 'Sum');

/**
 * The demand while there is no spot worker, otherwise 0. On-demand workers scale with it. It needs no FILL, which gives nothing for a
 * metric without any value: the control worker publishes demand and 0 workers together.
 */
export const starvedDemand = (work: Work) =>
  new MathExpression({
    expression: 'IF(spot < 1, demand, 0)',
    usingMetrics: { demand: demandMetric(work), spot: workersMetric(work, 'spot') },
    label: 'Demand without spot workers',
    period,
  });

/** The demand while there is no worker of any capacity, otherwise 0. */
export const unservedDemand = (work: Work) =>
  new MathExpression({
    expression: 'IF(spot + other < 1, demand, 0)',
    usingMetrics: {
      demand: demandMetric(work),
      spot: workersMetric(work, 'spot'),
      other: workersMetric(work, 'on-demand'),
    },
    label: 'Demand without workers',
    period,
  });

/** For graphs only: a metric of the GPU workers of a pool, one line for each version and, if named, each value of `also`. */
export const searchMetrics = (
  { deployment, pool }: Pick<Work, 'deployment' | 'pool'>,
  name: string,
  statistic: string,
  ...also: string[]
) => {
  const dimensions = [METRICS_NAMESPACE, 'Deployment', 'Pool', 'Version', ...also].join(',');
  const search = `{${dimensions}} MetricName="${name}" Deployment="${deployment}" Pool="${pool}"`;
  return new MathExpression({ expression: `SEARCH('${search}', '${statistic}', 60)`, label: name, period });
};
