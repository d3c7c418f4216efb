/**
 * The network: private subnets with one NAT gateway, or isolated subnets with VPC endpoints of the AWS services that tasks use. Public
 * subnets for a load balancer exist only if the web pages are on the internet.
 */
import { Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { acknowledgeOwnRange } from './acknowledgements.ts';
import type { DeployConfig } from '../config/deployment.ts';

/** AWS services that tasks use in addition to S3. With a NAT gateway these endpoints are not needed, and it costs less. */
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

/** The VPC with its subnets and endpoints. */
export class NetworkStack extends Stack {
  readonly vpc: ec2.Vpc;
  /** Subnets of all tasks. */
  readonly subnets: ec2.SubnetSelection;
  /** Subnets of the load balancer of web pages on the internet; they exist only with such pages. */
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
        // Only for the NAT gateway.
        ...(open ? [{ name: NAT, ...outside, cidrMask: 28 }] : []),
        // AWS requires at least 32 addresses in a load balancer's subnets.
        ...(typeof ui === 'object' ? [{ name: ENTRANCE, ...outside, cidrMask: 26 }] : []),
      ],
      ...(open && { natGatewaySubnets: { subnetGroupName: NAT } }),
      // CDK restricts the default group with a Lambda function. This is not needed, because no resource uses that group.
      restrictDefaultSecurityGroup: false,
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
    });
    const flows = new LogGroup(this, 'Flows', { retention: RetentionDays.ONE_WEEK });
    // Rejected connections indicate an attack or a wrong rule. Logs of accepted ones would be large and of little use.
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
