/**
 * AWS's list prices in US dollars, as data. They change, and spot prices do so hourly: `spotShare` is a cautious share of the
 * on-demand price, not a quote.
 */
export const PRICES = {
  region: 'us-east-1',
  date: '2026-09',
  natGatewayHour: 0.045,
  interfaceEndpointHour: 0.01,
  networkLoadBalancerHour: 0.0225,
  fargateVcpuHour: 0.04048,
  fargateGbHour: 0.004445,
  auroraAcuHour: 0.12,
  auroraStorageGbMonth: 0.1,
  kmsKeyMonth: 1,
  secretMonth: 0.4,
  metricMonth: 0.3,
  alarmMonth: 0.1,
  logGb: 0.5,
  s3GbMonth: 0.023,
  /** Share of an instance's on-demand price that ECS takes for managing it, of spot instances too (0.037 of 0.306 for a c6a.2xlarge). */
  managedInstancesShare: 0.12,
  spotShare: 0.5,
  /** On-demand, an hour. */
  instanceHour: {
    'g6.xlarge': 0.8048,
    'g6.2xlarge': 0.9776,
    'g5.xlarge': 1.006,
    'g5.2xlarge': 1.212,
    'g6e.xlarge': 1.861,
    'g6e.2xlarge': 2.24208,
    'p4d.24xlarge': 21.957642,
    'p5.4xlarge': 6.88,
    'p5.48xlarge': 55.04,
  } as Record<string, number>,
};
