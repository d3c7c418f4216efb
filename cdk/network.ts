/**
 * The network: a VPC with private subnets and one NAT gateway, or with isolated subnets and endpoints of the AWS services that tasks use;
 * or an existing VPC. Public subnets for a load balancer exist only if the web pages are on the internet.
 */
import { Fn, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { DeployConfig } from '../config/deployment.ts';
import type { ExistingVpc } from '../config/deployment/network.ts';
import { addEndpoints } from './endpoints.ts';

const NAT = 'nat';
const ENTRANCE = 'entrance';
const outside = { subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false };

/** The VPC with its subnets and endpoints. */
export class NetworkStack extends Stack {
  readonly vpc: ec2.IVpc;
  /** Subnets of all tasks. */
  readonly subnets: ec2.SubnetSelection;
  /** Subnets of the load balancer of web pages on the internet; they exist only with such pages. */
  readonly entrance: ec2.SubnetSelection;
  private readonly zones: string[] | undefined;

  /** @param bucketArn bucket of the artifacts, the only one besides those of AWS that the S3 endpoint reaches */
  constructor(scope: Construct, id: string, config: DeployConfig, bucketArn: string, props: StackProps) {
    super(scope, id, props);
    const { network } = config;
    const { vpc } = network;
    this.zones = network.availabilityZones;
    this.subnets = {
      subnetType: network.natGateways === 0 ? ec2.SubnetType.PRIVATE_ISOLATED : ec2.SubnetType.PRIVATE_WITH_EGRESS,
    };
    this.entrance = vpc ? { subnetType: ec2.SubnetType.PUBLIC } : { subnetGroupName: ENTRANCE };
    this.vpc = vpc ? this.existing(vpc) : this.create(config);
    addEndpoints(this, config, { vpc: this.vpc, subnets: this.subnets, bucketArn });
  }

  /** The first two zones of the region. With a given account, CDK would look them up there. */
  override get availabilityZones(): string[] {
    return this.zones ?? [0, 1].map((index) => Fn.select(index, Fn.getAzs()));
  }

  private create({ network: { natGateways }, ui }: DeployConfig): ec2.Vpc {
    const open = natGateways !== 0;
    const vpc = new ec2.Vpc(this, 'Vpc', {
      maxAzs: this.availabilityZones.length,
      natGateways,
      subnetConfiguration: [
        { name: 'private', subnetType: this.subnets.subnetType!, cidrMask: 20 },
        // Only for the NAT gateway.
        ...(open ? [{ name: NAT, ...outside, cidrMask: 28 }] : []),
        // AWS requires at least 32 addresses in a load balancer's subnets.
        ...(typeof ui === 'object' ? [{ name: ENTRANCE, ...outside, cidrMask: 26 }] : []),
      ],
      ...(open && { natGatewaySubnets: { subnetGroupName: NAT } }),
      // CDK restricts the default group with a Lambda function. This is not needed, because no resource uses that group.
      restrictDefaultSecurityGroup: false,
    });
    const flows = new LogGroup(this, 'Flows', { retention: RetentionDays.ONE_WEEK });
    // Rejected connections indicate an attack or a wrong rule. Logs of accepted ones would be large and of little use.
    vpc.addFlowLog('Refused', {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(flows),
      trafficType: ec2.FlowLogTrafficType.REJECT,
    });
    return vpc;
  }

  /** By its ids alone: a look-up would need an account to synthesize. */
  private existing(vpc: ExistingVpc): ec2.IVpc {
    return ec2.Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId: vpc.id,
      vpcCidrBlock: vpc.cidr,
      availabilityZones: vpc.availabilityZones,
      privateSubnetIds: vpc.privateSubnets,
      privateSubnetRouteTableIds: vpc.routeTables,
      publicSubnetIds: vpc.publicSubnets,
    });
  }
}
