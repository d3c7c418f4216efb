/** The self-hosted Temporal server: on Fargate, with a database on Aurora Serverless v2, reachable only inside the network. */
import { CfnOutput, Duration, Stack, Validations, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { DatabaseCluster } from 'aws-cdk-lib/aws-rds';
import { ARecord, PrivateHostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets';
import type { Construct } from 'constructs';
import { acknowledgeOwnRange, acknowledgeRegistry } from './acknowledgements.ts';
import type { SelfHostedConfig } from '../config/deployment/temporal.ts';
import { rdsRootOf } from './rds-certificates.ts';
import type { TemporalConnection } from './temporal-connection.ts';
import { temporalDatabase } from './temporal-database.ts';
import { FRONTEND_PORT, temporalTask, type TemporalImages } from './temporal-task.ts';

const DATABASE_PORT = 5432;

/** The network and the images of the server. */
export interface TemporalProps extends StackProps {
  vpc: ec2.IVpc;
  subnets: ec2.SubnetSelection;
  images: TemporalImages;
}

/** The server, its database and its internal load balancer. */
export class TemporalStack extends Stack {
  readonly connection: TemporalConnection;
  readonly database: DatabaseCluster;
  readonly service: ecs.FargateService;
  readonly targets: elb.NetworkTargetGroup;

  constructor(scope: Construct, id: string, config: SelfHostedConfig, props: TemporalProps) {
    super(scope, id, props);
    const { vpc, subnets } = props;
    const inside = ec2.Peer.ipv4(vpc.vpcCidrBlock);
    const serverGroup = new ec2.SecurityGroup(this, 'Server', { vpc, description: 'Temporal server' });
    const balancerGroup = new ec2.SecurityGroup(this, 'Balancer', { vpc, allowAllOutbound: false });
    balancerGroup.addIngressRule(inside, ec2.Port.tcp(FRONTEND_PORT), 'Workers');
    acknowledgeOwnRange(balancerGroup);
    balancerGroup.connections.allowTo(serverGroup, ec2.Port.tcp(FRONTEND_PORT), 'Balancer');

    this.database = temporalDatabase(this, config, vpc, subnets);
    this.database.connections.allowFrom(serverGroup, ec2.Port.tcp(DATABASE_PORT), 'Temporal server');

    const logGroup = new LogGroup(this, 'Logs', { retention: RetentionDays.ONE_MONTH });
    this.service = this.server(config, serverGroup, logGroup, props);
    const balancer = new elb.NetworkLoadBalancer(this, 'LoadBalancer', {
      vpc,
      internetFacing: false,
      vpcSubnets: subnets,
      securityGroups: [balancerGroup],
      crossZoneEnabled: true,
      deletionProtection: false,
    });
    Validations.of(balancer).acknowledge({
      id: 'AwsSolutions-ELB2',
      reason: 'Only the deployment connects to this private load balancer; the log of the server shows its requests.',
    });
    const listener = balancer.addListener('Grpc', { port: FRONTEND_PORT, ...(config.tls && tlsListener(config.tls)) });
    this.targets = listener.addTargets('Server', {
      port: FRONTEND_PORT,
      protocol: elb.Protocol.TCP,
      targets: [this.service.loadBalancerTarget({ containerName: 'server', containerPort: FRONTEND_PORT })],
      // With a single server, waiting for connections to drain has no benefit.
      deregistrationDelay: Duration.seconds(10),
    });
    if (config.tls) this.nameBalancer(config.tls.hostname, vpc, balancer);
    this.connection = {
      environment: {
        TEMPORAL_ADDRESS: `${config.tls?.hostname ?? balancer.loadBalancerDnsName}:${FRONTEND_PORT}`,
        TEMPORAL_NAMESPACE: config.namespace,
        ...(config.tls && { TEMPORAL_TLS: 'true' }),
      },
      secrets: {},
    };
    this.addOutputs();
  }

  private server(
    config: SelfHostedConfig,
    securityGroup: ec2.SecurityGroup,
    logGroup: LogGroup,
    { vpc, subnets, images }: TemporalProps,
  ): ecs.FargateService {
    const cluster = new ecs.Cluster(this, 'Cluster', { vpc, containerInsightsV2: ecs.ContainerInsights.DISABLED });
    Validations.of(cluster).acknowledge({
      id: 'AwsSolutions-ECS4',
      reason: 'Alarms watch the health of its only service, and its database (temporal-alarms.ts).',
    });
    const { clusterEndpoint, secret } = this.database;
    const database = {
      hostname: clusterEndpoint.hostname,
      port: DATABASE_PORT,
      secret: secret!,
      ca: config.databaseCa ?? rdsRootOf(this),
    };
    const logging = ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: 'temporal' });
    const taskDefinition = temporalTask(this, config, { database, images, logging });
    acknowledgeRegistry(taskDefinition);
    Validations.of(taskDefinition).acknowledge({
      id: 'AwsSolutions-ECS2',
      reason:
        "The variables are names, addresses and public certificates; the database's password comes from Secrets Manager.",
    });
    const service = new ecs.FargateService(this, 'Service', {
      cluster,
      taskDefinition,
      desiredCount: config.stopped ? 0 : 1,
      vpcSubnets: subnets,
      securityGroups: [securityGroup],
      // Two servers on one database could not find each other here, so the old one stops before the new one starts.
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      healthCheckGracePeriod: Duration.minutes(5),
      // Three tasks that do not become healthy fail the deployment. Without this, CloudFormation waits for hours.
      circuitBreaker: { rollback: true },
    });
    // The server connects to the instance, which Aurora creates after the cluster.
    service.node.addDependency(this.database);
    return service;
  }

  /** Resolves `hostname` to the load balancer inside the network, and no other name. */
  private nameBalancer(hostname: string, vpc: ec2.IVpc, balancer: elb.NetworkLoadBalancer): void {
    const zone = new PrivateHostedZone(this, 'Zone', { zoneName: hostname, vpc });
    new ARecord(this, 'Name', { zone, target: RecordTarget.fromAlias(new LoadBalancerTarget(balancer)) });
  }

  private addOutputs(): void {
    const outputs = {
      ServiceName: [this.service.serviceName, 'ECS service of the server'],
      DatabaseEndpoint: [this.database.clusterEndpoint.socketAddress, "Address of Temporal's database"],
      DatabaseSecret: [this.database.secret!.secretName, 'Secret with the user and the password of the database'],
    };
    for (const [name, [value, description]] of Object.entries(outputs))
      new CfnOutput(this, name, { value, description });
  }
}

/** gRPC clients require that the TLS handshake selects HTTP/2. */
const tlsListener = ({ certificateArn }: NonNullable<SelfHostedConfig['tls']>) => ({
  protocol: elb.Protocol.TLS,
  certificates: [elb.ListenerCertificate.fromArn(certificateArn)],
  // TLS 1.2 and 1.3.
  sslPolicy: elb.SslPolicy.RECOMMENDED_TLS,
  alpnPolicy: elb.AlpnPolicy.HTTP2_ONLY,
});
