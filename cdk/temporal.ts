/** A Temporal server of one's own: the server on Fargate, its database on Aurora Serverless v2, reached from the network only. */
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
/** Fixed when the database is made; one server carries so many with ease. */
const HISTORY_SHARDS = 64;
const RETENTION_DAYS = 30;

/** Makes the databases and brings their schemas to the image's version; where they are, nothing happens. */
const UPDATE_SCHEMA = [
  'set -e',
  `temporal-sql-tool --database ${DATABASE} create-database || true`,
  `temporal-sql-tool --database ${VISIBILITY} create-database || true`,
  `temporal-sql-tool --database ${DATABASE} setup-schema -v 0.0 || true`,
  `temporal-sql-tool --database ${VISIBILITY} setup-schema -v 0.0 || true`,
  `temporal-sql-tool --database ${DATABASE} update-schema -d ${SCHEMAS}/temporal/versioned`,
  `temporal-sql-tool --database ${VISIBILITY} update-schema -d ${SCHEMAS}/visibility/versioned`,
].join('\n');

/** Creates the namespace and registers the search attributes of runs. A server that has begun to listen needs a moment for that. */
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

export interface TemporalProps extends StackProps {
  vpc: ec2.IVpc;
  subnets: ec2.SubnetSelection;
}

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
      reason: 'A network load balancer logs TLS connections only, and this one has none: it is private.',
    });
    const listener = balancer.addListener('Grpc', { port: PORT });
    listener.addTargets('Server', {
      port: PORT,
      protocol: elb.Protocol.TCP,
      targets: [service.loadBalancerTarget({ containerName: 'server', containerPort: PORT })],
      // One server: nothing is gained by waiting for its connections to end.
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
      // It pauses when nobody is connected, so while the server is stopped.
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
        reason: "Temporal's server signs in with a password, which Secrets Manager made and keeps.",
      },
      {
        id: 'AwsSolutions-SMG4',
        reason: 'A new password would need a restart of the server: it is changed by hand, as docs/deploy.md says.',
      },
      {
        id: 'AwsSolutions-RDS11',
        reason: 'The port is reached from the server alone; another number would not hide it.',
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
      reason: 'Its one service is watched through the workers: they publish that the server answers.',
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
        // Aurora's certificate authority is not in the image; who else could answer is kept out by the security groups.
        SQL_HOST_VERIFICATION: 'false',
        NUM_HISTORY_SHARDS: String(HISTORY_SHARDS),
        // Nobody outside of the network reaches it.
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
      // Two servers of one database do not know of each other here: the old one ends first.
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      healthCheckGracePeriod: Duration.minutes(5),
    });
  }
}
