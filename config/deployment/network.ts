/** The section `network` of a deployment: a VPC of its own, or an existing one, and the endpoints of AWS services in it. */
import { z } from 'zod';

const id = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}-([0-9a-f]{8}|[0-9a-f]{17})$`), `expected an id, such as ${prefix}-0123abcd`);
/** The name of an availability zone. */
export const zone = z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d+[a-z]$/, 'expected a zone, such as us-east-1a');
/** The database and the load balancers need two zones. */
const zones = z.array(zone).min(2);

/** AWS allows /16 to /28, but a /28 has room for one subnet only. */
const RANGE = 'expected an IPv4 address range from /16 to /27, such as 10.20.0.0/16';
const addressRange = z.cidrv4(RANGE).refine((range) => {
  const prefix = Number(range.split('/')[1]);
  return prefix >= 16 && prefix <= 27;
}, RANGE);

const vpcSchema = z.strictObject({
  id: id('vpc').describe('Id of the VPC.'),
  cidr: addressRange.describe(
    'Addresses that may connect to the Temporal server, the endpoints and internal web pages, from /16 to /27.',
  ),
  availabilityZones: zones.describe('Zones of the subnets.'),
  privateSubnets: z
    .array(id('subnet'))
    .min(2)
    .describe('Subnets of all tasks, one per zone, in the order of the zones.'),
  publicSubnets: z
    .array(id('subnet'))
    .min(2)
    .optional()
    .describe('Subnets of the load balancer of web pages on the internet, one per zone.'),
  routeTables: z
    .array(id('rtb'))
    .min(2)
    .optional()
    .describe(
      'Route tables of `privateSubnets`, in their order, for the S3 endpoint. Required with `endpoints: true`.',
    ),
});

export type ExistingVpc = z.infer<typeof vpcSchema>;

export const networkSchema = z
  .strictObject({
    natGateways: z
      .union([z.literal(0), z.literal(1)])
      .optional()
      .describe('Number of NAT gateways. With 0, workers reach AWS services only, through VPC endpoints. Default: 1.'),
    availabilityZones: zones.optional().describe('Zones of the subnets. Default: the first two of the region.'),
    vpc: vpcSchema
      .optional()
      .describe('An existing VPC with its own routes to the internet or to AWS, instead of a new one.'),
    endpoints: z
      .boolean()
      .optional()
      .describe(
        'Endpoints of the AWS services that tasks use. Default: true without a NAT gateway; false with one, and in an ' +
          'existing VPC.',
      ),
  })
  .transform(({ natGateways, endpoints, ...network }) => {
    // An existing VPC has its own way out.
    const gateways = network.vpc ? natGateways : (natGateways ?? 1);
    return { ...network, natGateways: gateways, endpoints: endpoints ?? gateways === 0 };
  });

export type NetworkConfig = z.infer<typeof networkSchema>;

/** Interface endpoints of the AWS services that tasks use in addition to S3, which has a gateway endpoint. */
const ENDPOINTS = ['EcrApi', 'EcrDocker', 'Logs', 'Secrets', 'Ecs', 'EcsAgent', 'EcsTelemetry'] as const;
export type EndpointName = (typeof ENDPOINTS)[number] | 'SessionMessages';

/** The interface endpoints of a deployment. ECS Exec needs one more. */
export function endpointsOf({ network, exec }: { network: NetworkConfig; exec: boolean }): EndpointName[] {
  if (!network.endpoints) return [];
  return [...ENDPOINTS, ...(exec ? (['SessionMessages'] as const) : [])];
}

/** The zones of the subnets; undefined for the first two of the region. */
export const zonesOf = ({ vpc, availabilityZones }: NetworkConfig): string[] | undefined =>
  vpc?.availabilityZones ?? availabilityZones;

/** What is wrong with settings of the network that are each valid; undefined if nothing is. */
export function networkConflict({ natGateways, availabilityZones, vpc, endpoints }: NetworkConfig): string | undefined {
  if (!vpc) {
    if (natGateways === 0 && !endpoints)
      return 'network.endpoints: false needs a NAT gateway: with network.natGateways: 0 tasks reach AWS only through endpoints.';
    return undefined;
  }
  if (natGateways !== undefined)
    return 'network.natGateways cannot be combined with network.vpc, which has its own routes; remove it.';
  if (availabilityZones)
    return 'network.availabilityZones cannot be combined with network.vpc; give network.vpc.availabilityZones.';
  for (const key of ['privateSubnets', 'publicSubnets', 'routeTables'] as const) {
    const [given, wanted] = [vpc[key]?.length, vpc.availabilityZones.length];
    if (given !== undefined && given !== wanted)
      return `network.vpc.${key} has ${given} ids for ${wanted} availabilityZones; give one per zone, in the same order.`;
  }
  if (endpoints && !vpc.routeTables)
    return 'network.vpc.routeTables is missing: network.endpoints: true adds an S3 endpoint to the route tables of the private subnets.';
  return undefined;
}
