/**
 * AWS's list prices of us-east-1 in US dollars, as data: written down at `date` and not looked up at AWS since. Each names the page
 * to check it on; a deployment's `prices` takes their place. Spot prices change hourly: `spotShare` is a cautious share of the
 * on-demand price, not a quote.
 */
export const REGION = 'us-east-1';

export interface Price {
  usd: number;
  /** Year and month. */
  date: string;
  page: string;
}

const price = (usd: number, page: string, date = '2026-09'): Price => ({
  usd,
  date,
  page: `https://aws.amazon.com/${page}`,
});

const VPC = 'vpc/pricing/';
const BALANCER = 'elasticloadbalancing/pricing/';
const FARGATE = 'fargate/pricing/';
const AURORA = 'rds/aurora/pricing/';
const CLOUDWATCH = 'cloudwatch/pricing/';

export const PRICES = {
  natGatewayHour: price(0.045, VPC),
  /** Of a NAT gateway, and of a public load balancer in each zone. */
  publicAddressHour: price(0.005, VPC, '2026-11'),
  interfaceEndpointHour: price(0.01, 'privatelink/pricing/'),
  networkLoadBalancerHour: price(0.0225, BALANCER),
  applicationLoadBalancerHour: price(0.0225, BALANCER, '2026-11'),
  fargateVcpuHour: price(0.04048, FARGATE),
  fargateGbHour: price(0.004445, FARGATE),
  auroraAcuHour: price(0.12, AURORA),
  auroraStorageGbMonth: price(0.1, AURORA),
  kmsKeyMonth: price(1, 'kms/pricing/'),
  secretMonth: price(0.4, 'secrets-manager/pricing/'),
  metricMonth: price(0.3, CLOUDWATCH),
  alarmMonth: price(0.1, CLOUDWATCH),
  logGb: price(0.5, CLOUDWATCH),
  s3GbMonth: price(0.023, 's3/pricing/'),
  /** Share of an instance's on-demand price that ECS takes for managing it, of spot instances too (0.037 of 0.306 for a c6a.2xlarge). */
  managedInstancesShare: price(0.12, 'ecs/managed-instances/pricing/'),
  spotShare: price(0.5, 'ec2/spot/pricing/'),
};
export type PriceName = keyof typeof PRICES;

const ON_DEMAND = 'ec2/pricing/on-demand/';

/** On-demand, an hour; `gpu.usdPerHour` takes their place. */
export const INSTANCE_HOURS: Record<string, Price> = {
  'g6.xlarge': price(0.8048, ON_DEMAND),
  'g6.2xlarge': price(0.9776, ON_DEMAND),
  'g5.xlarge': price(1.006, ON_DEMAND),
  'g5.2xlarge': price(1.212, ON_DEMAND),
  'g6e.xlarge': price(1.861, ON_DEMAND),
  'g6e.2xlarge': price(2.24208, ON_DEMAND),
  'p4d.24xlarge': price(21.957642, ON_DEMAND),
  'p5.4xlarge': price(6.88, ON_DEMAND),
  'p5.48xlarge': price(55.04, ON_DEMAND),
};

/** When the oldest of them was written down. */
export const DATE = [...Object.values(PRICES), ...Object.values(INSTANCE_HOURS)].map(({ date }) => date).sort()[0];
