/**
 * AWS list prices for the cost estimate: us-east-1, in US dollars, as they were at `date`. They are not updated from AWS.
 * Each price names the page on which to check it; the section `prices` of a deployment's configuration replaces them.
 */
import { z } from 'zod';

export const PRICE_REGION = 'us-east-1';

export interface Price {
  usd: number;
  /** Year and month in which it was taken from the page. */
  date: string;
  page: string;
}

const price = (usd: number, page: string, date = '2026-09'): Price => ({
  usd,
  date,
  page: `https://aws.amazon.com/${page}`,
});

/** A price that a deployment can replace, with its description in the reference. */
const replaceable = (what: string, ...args: Parameters<typeof price>) => ({ ...price(...args), what });

const VPC = 'vpc/pricing/';
const BALANCER = 'elasticloadbalancing/pricing/';
const FARGATE = 'fargate/pricing/';
const AURORA = 'rds/aurora/pricing/';
const CLOUDWATCH = 'cloudwatch/pricing/';

export const PRICES = {
  natGatewayHour: replaceable('NAT gateway, per hour.', 0.045, VPC),
  publicAddressHour: replaceable(
    'Public IPv4 address, per hour: of a NAT gateway, and of a public load balancer in each zone.',
    0.005,
    VPC,
    '2026-11',
  ),
  interfaceEndpointHour: replaceable(
    'Interface endpoint (PrivateLink) in one zone, per hour.',
    0.01,
    'privatelink/pricing/',
  ),
  networkLoadBalancerHour: replaceable('Network load balancer, per hour.', 0.0225, BALANCER),
  applicationLoadBalancerHour: replaceable('Application load balancer, per hour.', 0.0225, BALANCER, '2026-11'),
  fargateVcpuHour: replaceable('vCPU on Fargate, per hour.', 0.04048, FARGATE),
  fargateGbHour: replaceable('GB of memory on Fargate, per hour.', 0.004445, FARGATE),
  auroraAcuHour: replaceable('Aurora capacity unit, per hour.', 0.12, AURORA),
  auroraStorageGbMonth: replaceable('GB of Aurora storage, per month.', 0.1, AURORA),
  kmsKeyMonth: replaceable('KMS key, per month.', 1, 'kms/pricing/'),
  secretMonth: replaceable('Secret in Secrets Manager, per month.', 0.4, 'secrets-manager/pricing/'),
  metricMonth: replaceable('CloudWatch custom metric, per month.', 0.3, CLOUDWATCH),
  alarmMonth: replaceable('CloudWatch alarm, per metric and month.', 0.1, CLOUDWATCH),
  logGb: replaceable('GB of ingested CloudWatch logs.', 0.5, CLOUDWATCH),
  s3GbMonth: replaceable('GB in S3, per month.', 0.023, 's3/pricing/'),
  // Charged for spot instances too: 0.037 of 0.306 for a c6a.2xlarge.
  managedInstancesShare: replaceable(
    "Fee of ECS Managed Instances, as a share of an instance's on-demand price.",
    0.12,
    'ecs/managed-instances/pricing/',
  ),
  // Spot prices change hourly; this is a cautious estimate, not a quote.
  spotShare: replaceable("Spot price, as a share of an instance's on-demand price.", 0.5, 'ec2/spot/pricing/'),
};
export type PriceName = keyof typeof PRICES;

const ON_DEMAND = 'ec2/pricing/on-demand/';

/**
 * On-demand instances, per hour. A pool's `usdPerHour` replaces them. Those of 2026-07 are from the AWS Price List (EC2, us-east-1,
 * 2026-07-28), whose prices of p4d, p5 and g6e.48xlarge agree with those of the page.
 */
export const INSTANCE_HOURS: Record<string, Price> = {
  'g5.xlarge': price(1.006, ON_DEMAND),
  'g5.2xlarge': price(1.212, ON_DEMAND),
  'g5.4xlarge': price(1.624, ON_DEMAND),
  'g5.8xlarge': price(2.448, ON_DEMAND),
  'g6.xlarge': price(0.8048, ON_DEMAND),
  'g6.2xlarge': price(0.9776, ON_DEMAND),
  'g6.4xlarge': price(1.3232, ON_DEMAND),
  'g6.8xlarge': price(2.0144, ON_DEMAND),
  'g6e.xlarge': price(1.861, ON_DEMAND),
  'g6e.2xlarge': price(2.24208, ON_DEMAND),
  'g6e.4xlarge': price(3.00424, ON_DEMAND),
  'g6e.8xlarge': price(4.52856, ON_DEMAND),
  'g6e.12xlarge': price(10.49264, ON_DEMAND),
  'g6e.24xlarge': price(15.06559, ON_DEMAND),
  'g6e.48xlarge': price(30.13118, ON_DEMAND, '2026-07'),
  'p4d.24xlarge': price(21.957642, ON_DEMAND),
  'p4de.24xlarge': price(27.44705, ON_DEMAND, '2026-07'),
  'p5.4xlarge': price(6.88, ON_DEMAND),
  'p5.48xlarge': price(55.04, ON_DEMAND),
  'p5en.48xlarge': price(63.296, ON_DEMAND, '2026-07'),
};

/** The oldest date of these prices. */
export const PRICE_DATE = [...Object.values(PRICES), ...Object.values(INSTANCE_HOURS)]
  .map(({ date }) => date)
  .sort()[0];

type PriceSettings = Record<PriceName, z.ZodDefault<z.ZodNumber>>;

/** The section `prices` of a deployment. */
export const pricesSchema = z.strictObject(
  Object.fromEntries(
    Object.entries(PRICES).map(([name, { usd, what }]) => [name, z.number().nonnegative().default(usd).describe(what)]),
  ) as PriceSettings,
);
