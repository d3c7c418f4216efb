/** The metrics that the workers publish, as alarms, scaling and the dashboard read them. */
import { Duration } from 'aws-cdk-lib';
import { MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { METRICS_NAMESPACE } from './environment.ts';
import type { Capacity } from './gpu-capacity.ts';

const period = Duration.minutes(1);

/** A metric of the deployment, once a minute from the control worker. */
export const deploymentMetric = (deployment: string, metricName: string, statistic = 'Maximum') =>
  new Metric({
    namespace: METRICS_NAMESPACE,
    metricName,
    dimensionsMap: { Deployment: deployment },
    statistic,
    period,
  });

/** How many GPU workers of a capacity there are: each publishes a 1 a minute. */
export const workersMetric = (deployment: string, capacity: Capacity) =>
  new Metric({
    namespace: METRICS_NAMESPACE,
    metricName: 'Workers',
    dimensionsMap: { Deployment: deployment, Capacity: capacity },
    statistic: 'Sum',
    period,
  });

/** The demand while there is no spot worker, else 0: what on-demand instances are for. */
export const starvedDemand = (deployment: string, demandMetric: string) =>
  new MathExpression({
    expression: 'IF(FILL(spot, 0) < 1, demand, 0)',
    usingMetrics: { demand: deploymentMetric(deployment, demandMetric), spot: workersMetric(deployment, 'spot') },
    label: 'Demand without spot workers',
    period,
  });
