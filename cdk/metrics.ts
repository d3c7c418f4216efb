/** The workers' metrics, for alarms, scaling and the dashboard. */
import { Duration } from 'aws-cdk-lib';
import { MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { METRICS_NAMESPACE } from './environment.ts';
import type { Capacity } from './gpu-capacity.ts';

const period = Duration.minutes(1);

/** A metric of the whole deployment; the control worker publishes it every minute. */
export const deploymentMetric = (deployment: string, metricName: string, statistic = 'Maximum') =>
  new Metric({
    namespace: METRICS_NAMESPACE,
    metricName,
    dimensionsMap: { Deployment: deployment },
    statistic,
    period,
  });

/** The number of GPU workers of a capacity: each publishes the value 1 every minute. */
export const workersMetric = (deployment: string, capacity: Capacity) =>
  new Metric({
    namespace: METRICS_NAMESPACE,
    metricName: 'Workers',
    dimensionsMap: { Deployment: deployment, Capacity: capacity },
    statistic: 'Sum',
    period,
  });

/** The demand while there is no spot worker, otherwise 0. On-demand workers scale with it. */
export const starvedDemand = (deployment: string, demandMetric: string) =>
  new MathExpression({
    expression: 'IF(FILL(spot, 0) < 1, demand, 0)',
    usingMetrics: { demand: deploymentMetric(deployment, demandMetric), spot: workersMetric(deployment, 'spot') },
    label: 'Demand without spot workers',
    period,
  });
