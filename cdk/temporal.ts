/** The self-hosted Temporal server: on Fargate, with a database on Aurora Serverless v2, reachable only inside the network. */
import { Duration, RemovalPolicy, Stack, Validations, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import * as rds from 'aws-cdk-lib/aws-rds';
import type { Construct } from 'constructs';
import { acknowledgeOwnRange } from './acknowledgements.ts';
import type { SelfHostedConfig } from '../config/deployment/temporal.ts';
import { registrationCommand } from '../workers/search-attributes.ts';
import { SERVER } from './costs.ts';
import type { TemporalConnection } from './temporal-connection.ts';
import { ADMIN_TOOLS_IMAGE, SERVER_IMAGE } from './temporal-images.ts';

const PORT = 7233;
const DATABASE_PORT = 5432;
const DATABASE = 'temporal';
const VISIBILITY = 'temporal_visibility';
const SCHEMAS = '/etc/temporal/schema/postgresql/v12';
/** Cannot change after the database is created. One server can host this many. */
const HISTORY_SHARDS = 64;
const RETENTION_DAYS = 30;

/** Creates the databases and updates their schemas to the image's version; idempotent. */
const UPDATE_SCHEMA = [
  'set -e',
  `temporal-sql-tool --database ${DATABASE} create-database || true`,
  `temporal-sql-tool --database ${VISIBILITY} create-database || true`,
  `temporal-sql-tool --database ${DATABASE} setup-schema -v 0.0 || true`,
  `temporal-sql-tool --database ${VISIBILITY} setup-schema -v 0.0 || true`,
  `temporal-sql-tool --database ${DATABASE} update-schema -d ${SCHEMAS}/temporal/versioned`,
  `temporal-sql-tool --database ${VISIBILITY} update-schema -d ${SCHEMAS}/visibility/versioned`,
].join('\n');

/** Creates the namespace and registers the search attributes of runs. Retries, because the server listens before it can do this. */
const createNamespace = (namespace: string) =>
  [
    `for try in $(seq 60); do`,
    `  temporal operator namespace describe --namespace ${namespace} ||`,
    `    temporal operator namespace create --namespace ${namespace} --retention ${RETENTION_DAYS}d`,
    `  ${registrationCommand(namespace)} && exit 0`,
    `  sleep 5`,
    `done`,
    `exit 1`,
  ].join('\n');

/** The network of the server. */
export interface TemporalProps extends StackProps {
  vpc: ec2.IVpc;
  subnets: ec2.SubnetSelection;
}

/** The server, its database and its internal load balancer. */
export class TemporalStack extends Stack {
  readonly connection: TemporalConnection;

  constructor(scope: Construct, id: string, config: SelfHostedConfig, props: TemporalProps) {
    super(scope, id, props);
    const { vpc, subnets } = props;
    const inside = ec2.Peer.ipv4(vpc.vpcCidrBlock);
    const serverGroup = new ec2.SecurityGroup(this, 'Server', { vpc, description: 'Temporal server' });
    const balancerGroup = new ec2.SecurityGroup(this, 'Balancer', { vpc, allowAllOutbound: false });
    balancerGroup.addIngressRule(inside, ec2.Port.tcp(PORT), 'Workers');
    acknowledgeOwnRange(balancerGroup);
    balancerGroup.connections.allowTo(serverGroup, ec2.Port.tcp(PORT), 'Balancer');

    const database = this.database(vpc, subnets, config);
    database.connections.allowFrom(serverGroup, ec2.Port.tcp(DATABASE_PORT), 'Temporal server');

    const service = this.server(config, database, serverGroup, props);
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
      reason: 'A network load balancer logs only TLS connections, and this private one has none.',
    });
    const listener = balancer.addListener('Grpc', { port: PORT });
    listener.addTargets('Server', {
      port: PORT,
      protocol: elb.Protocol.TCP,
      targets: [service.loadBalancerTarget({ containerName: 'server', containerPort: PORT })],
      // With a single server, waiting for connections to drain has no benefit.
      deregistrationDelay: Duration.seconds(10),
    });
    this.connection = {
      environment: {
        TEMPORAL_ADDRESS: `${balancer.loadBalancerDnsName}:${PORT}`,
        TEMPORAL_NAMESPACE: config.namespace,
      },
      secrets: {},
    };
  }

  private database(vpc: ec2.IVpc, vpcSubnets: ec2.SubnetSelection, { minAcu, maxAcu }: SelfHostedConfig) {
    const engine = rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_16_13 });
    const database = new rds.DatabaseCluster(this, 'Database', {
      engine,
      vpc,
      vpcSubnets,
      writer: rds.ClusterInstance.serverlessV2('Writer'),
      serverlessV2MinCapacity: minAcu,
      serverlessV2MaxCapacity: maxAcu,
      // The database pauses while it has no connections, which is only while the server is stopped.
      ...(minAcu === 0 && { serverlessV2AutoPauseDuration: Duration.minutes(10) }),
      defaultDatabaseName: DATABASE,
      credentials: rds.Credentials.fromGeneratedSecret('temporal', { excludeCharacters: '"@/\\\'`$% ' }),
      storageEncrypted: true,
      parameters: { 'rds.force_ssl': '1' },
      backup: { retention: Duration.days(7) },
      deletionProtection: true,
      removalPolicy: RemovalPolicy.SNAPSHOT,
    });
    Validations.of(database).acknowledge(
      {
        id: 'AwsSolutions-RDS6',
        reason: "Temporal's server authenticates with a password that Secrets Manager generates and stores.",
      },
      {
        id: 'AwsSolutions-SMG4',
        reason:
          'A new password requires a restart of the server, so it is changed by hand, as docs/deploy.md describes.',
      },
      {
        id: 'AwsSolutions-RDS11',
        reason: 'Only the server can reach the port; another port number would not add security.',
      },
    );
    return database;
  }

  private server(
    config: SelfHostedConfig,
    database: rds.DatabaseCluster,
    securityGroup: ec2.SecurityGroup,
    { vpc, subnets }: TemporalProps,
  ): ecs.FargateService {
    const cluster = new ecs.Cluster(this, 'Cluster', { vpc, containerInsightsV2: ecs.ContainerInsights.DISABLED });
    Validations.of(cluster).acknowledge({
      id: 'AwsSolutions-ECS4',
      reason: 'Its only service is monitored through the metrics of the workers, which need the server.',
    });
    const taskDefinition = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: SERVER.cpu,
      memoryLimitMiB: SERVER.memoryMiB,
    });
    const logging = ecs.LogDrivers.awsLogs({
      logGroup: new LogGroup(this, 'Logs', { retention: RetentionDays.ONE_MONTH }),
      streamPrefix: 'temporal',
    });
    const { hostname } = database.clusterEndpoint;
    const password = ecs.Secret.fromSecretsManager(database.secret!, 'password');
    const schema = taskDefinition.addContainer('Schema', {
      containerName: 'schema',
      image: ecs.ContainerImage.fromRegistry(ADMIN_TOOLS_IMAGE),
      essential: false,
      entryPoint: ['sh', '-c'],
      command: [UPDATE_SCHEMA],
      environment: {
        SQL_PLUGIN: 'postgres12',
        SQL_HOST: hostname,
        SQL_PORT: String(DATABASE_PORT),
        SQL_USER: 'temporal',
        SQL_TLS: 'true',
        SQL_TLS_DISABLE_HOST_VERIFICATION: 'true',
      },
      secrets: { SQL_PASSWORD: password },
      logging,
    });
    const server = taskDefinition.addContainer('Server', {
      containerName: 'server',
      image: ecs.ContainerImage.fromRegistry(SERVER_IMAGE),
      portMappings: [{ containerPort: PORT }],
      environment: {
        DB: 'postgres12',
        DB_PORT: String(DATABASE_PORT),
        POSTGRES_SEEDS: hostname,
        POSTGRES_USER: 'temporal',
        DBNAME: DATABASE,
        VISIBILITY_DBNAME: VISIBILITY,
        SQL_TLS_ENABLED: 'true',
        // The image does not contain Aurora's certificate authority. Security groups restrict the connection to the database.
        SQL_HOST_VERIFICATION: 'false',
        NUM_HISTORY_SHARDS: String(HISTORY_SHARDS),
        // The server is reachable only inside the network.
        TEMPORAL_ALLOW_NO_AUTH: 'true',
      },
      secrets: { POSTGRES_PWD: password },
      healthCheck: {
        command: ['CMD-SHELL', `nc -z $(hostname -i) ${PORT}`],
        interval: Duration.seconds(10),
        startPeriod: Duration.seconds(120),
        retries: 6,
      },
      stopTimeout: Duration.seconds(60),
      logging,
    });
    server.addContainerDependencies({ container: schema, condition: ecs.ContainerDependencyCondition.SUCCESS });
    const namespace = taskDefinition.addContainer('Namespace', {
      containerName: 'namespace',
      image: ecs.ContainerImage.fromRegistry(ADMIN_TOOLS_IMAGE),
      essential: false,
      entryPoint: ['sh', '-c'],
      command: [createNamespace(config.namespace)],
      environment: { TEMPORAL_ADDRESS: `127.0.0.1:${PORT}` },
      logging,
    });
    namespace.addContainerDependencies({ container: server, condition: ecs.ContainerDependencyCondition.HEALTHY });
    Validations.of(taskDefinition).acknowledge({
      id: 'AwsSolutions-ECS2',
      reason: "The variables are names and addresses; the database's password comes from Secrets Manager.",
    });
    return new ecs.FargateService(this, 'Service', {
      cluster,
      taskDefinition,
      desiredCount: config.stopped ? 0 : 1,
      vpcSubnets: subnets,
      securityGroups: [securityGroup],
      // Two servers on one database could not find each other here, so the old one stops before the new one starts.
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      healthCheckGracePeriod: Duration.minutes(5),
    });
  }
}
