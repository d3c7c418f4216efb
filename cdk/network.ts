/**
 * The network: private subnets without a way in; a way out by one NAT gateway, or none and endpoints of what is needed. Only for web
 * pages that are reached from outside are there subnets for that.
 */
import { Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { acknowledgeOwnRange } from './acknowledgements.ts';
import type { DeployConfig } from '../config/deployment.ts';

/** What tasks ask of AWS beside S3. With a NAT gateway they reach it through that, which costs less than these. */
const ENDPOINTS = {
  EcrApi: ec2.InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Logs: ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  Secrets: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
  Ecs: ec2.InterfaceVpcEndpointAwsService.ECS,
  EcsAgent: ec2.InterfaceVpcEndpointAwsService.ECS_AGENT,
  EcsTelemetry: ec2.InterfaceVpcEndpointAwsService.ECS_TELEMETRY,
};

const NAT = 'nat';
const ENTRANCE = 'entrance';
const outside = { subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false };

export class NetworkStack extends Stack {
  readonly vpc: ec2.Vpc;
  /** Of all tasks. */
  readonly subnets: ec2.SubnetSelection;
  /** Of what is reached from the internet, where there is something. */
  readonly entrance: ec2.SubnetSelection = { subnetGroupName: ENTRANCE };

  constructor(scope: Construct, id: string, { network: { natGateways }, ui }: DeployConfig, props: StackProps) {
    super(scope, id, props);
    const open = natGateways > 0;
    const subnetType = open ? ec2.SubnetType.PRIVATE_WITH_EGRESS : ec2.SubnetType.PRIVATE_ISOLATED;
    this.subnets = { subnetType };
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways,
      subnetConfiguration: [
        { name: 'private', subnetType, cidrMask: 20 },
        // It holds the NAT gateway and nothing else.
        ...(open ? [{ name: NAT, ...outside, cidrMask: 28 }] : []),
        // A load balancer's subnets have at least 32 addresses.
        ...(typeof ui === 'object' ? [{ name: ENTRANCE, ...outside, cidrMask: 26 }] : []),
      ],
      ...(open && { natGatewaySubnets: { subnetGroupName: NAT } }),
      // Changing it takes a Lambda function; instead no resource uses the default group.
      restrictDefaultSecurityGroup: false,
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
    });
    const flows = new LogGroup(this, 'Flows', { retention: RetentionDays.ONE_WEEK });
    // Refused connections tell of an attack or of a wrong rule; the rest is large and tells little.
    this.vpc.addFlowLog('Refused', {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(flows),
      trafficType: ec2.FlowLogTrafficType.REJECT,
    });
    if (open) return;
    const group = new ec2.SecurityGroup(this, 'Endpoints', { vpc: this.vpc, allowAllOutbound: false });
    group.addIngressRule(ec2.Peer.ipv4(this.vpc.vpcCidrBlock), ec2.Port.HTTPS, 'Tasks');
    acknowledgeOwnRange(group);
    for (const [name, service] of Object.entries(ENDPOINTS)) {
      this.vpc.addInterfaceEndpoint(name, { service, securityGroups: [group], open: false, subnets: this.subnets });
    }
  }
}
