/** The task of the self-hosted Temporal server: its containers, and their commands and variables. */
import { Duration } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { SelfHostedConfig } from '../config/deployment/temporal.ts';
import { registrationCommand } from '../workers/temporal/search-attributes.ts';
import { SERVER } from './fargate-sizes.ts';

/** Port of the server's frontend, to which clients connect. */
export const FRONTEND_PORT = 7233;
const FRONTEND_HTTP_PORT = 7243;
/** Names of the databases, and of their user. */
export const DATABASE = 'temporal';
const VISIBILITY = 'temporal_visibility';
export const DATABASE_USER = 'temporal';

/** Cannot change after the database is created. One server can host this many. */
const HISTORY_SHARDS = 64;

/** Files in the containers, written when they start: on Fargate only root can write to a mounted volume, and these images have another user. */
const CA_FILE = '/tmp/database-ca.pem';
const DYNAMIC_CONFIG_FILE = '/tmp/dynamic-config.yaml';
const REGISTERED_FILE = '/tmp/registered';

const WRITE_CA = `printf '%s\\n' "$DATABASE_CA" > ${CA_FILE}`;

/**
 * Creates the databases and updates their schemas to the version of the image. All commands change nothing if there is nothing to do.
 * A paused database needs half a minute to resume. ECS gives up on a container's dependencies after 3 minutes.
 */
const UPDATE_SCHEMA = [
  'set -e',
  WRITE_CA,
  `for try in $(seq 20); do temporal-sql-tool --database ${DATABASE} create-database && break; sleep 5; done`,
  `temporal-sql-tool --database ${VISIBILITY} create-database`,
  ...[
    [DATABASE, 'temporal'],
    [VISIBILITY, 'visibility'],
  ].flatMap(([database, schema]) => [
    `temporal-sql-tool --database ${database} setup-schema -v 0.0`,
    `temporal-sql-tool --database ${database} update-schema --schema-name postgresql/v12/${schema}`,
  ]),
].join('\n');

/** Starts the server with the image's entry point, which must be the container's first process to receive SIGTERM. */
const START_SERVER = [
  'set -e',
  WRITE_CA,
  `printf '%s\\n' "$DYNAMIC_CONFIG" > ${DYNAMIC_CONFIG_FILE}`,
  'exec /etc/temporal/entrypoint.sh',
].join('\n');

/**
 * Creates the namespace and registers the search attributes of runs, or updates them. Retries, because the server listens before it can
 * do this. Then waits: the task needs the container for its health, and operators for the `temporal` command.
 */
const registerNamespace = ({ namespace, retentionDays }: SelfHostedConfig) =>
  [
    `trap 'exit 0' TERM`,
    `for try in $(seq 60); do`,
    `  temporal operator namespace describe --namespace ${namespace} > /dev/null ||`,
    `    temporal operator namespace create --namespace ${namespace} --retention ${retentionDays}d`,
    `  if temporal operator namespace update --namespace ${namespace} --retention ${retentionDays}d &&`,
    `    ${registrationCommand(namespace)}; then`,
    `    touch ${REGISTERED_FILE}`,
    `    sleep infinity & wait`,
    `  fi`,
    `  sleep 5`,
    `done`,
    `exit 1`,
  ].join('\n');

/** A file of Temporal's dynamic configuration. JSON is YAML. */
const dynamicConfigFile = (settings: SelfHostedConfig['dynamicConfig']) =>
  JSON.stringify(Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, [{ value }]])));

/** The database of the server. */
interface Database {
  hostname: string;
  port: number;
  /** The secret that contains the password, under `password`. */
  secret: ISecret;
  /** Certificates in PEM that the database's certificate is verified with. */
  ca: string;
}

/** Images of the server, and of its tools. */
export interface TemporalImages {
  server: ecs.ContainerImage;
  adminTools: ecs.ContainerImage;
}

/** What the task definition is made from, besides the configuration. */
export interface TemporalTaskProps {
  database: Database;
  images: TemporalImages;
  logging: ecs.LogDriver;
}

/** The task definition: the schema is updated, the server starts, and then the namespace is registered. */
export function temporalTask(
  scope: Construct,
  config: SelfHostedConfig,
  { database, images, logging }: TemporalTaskProps,
): ecs.FargateTaskDefinition {
  const taskDefinition = new ecs.FargateTaskDefinition(scope, 'Task', {
    cpu: SERVER.cpu,
    memoryLimitMiB: SERVER.memoryMiB,
  });
  const password = ecs.Secret.fromSecretsManager(database.secret, 'password');
  const schema = taskDefinition.addContainer('Schema', {
    containerName: 'schema',
    image: images.adminTools,
    essential: false,
    entryPoint: ['sh', '-c'],
    command: [UPDATE_SCHEMA],
    environment: {
      SQL_PLUGIN: 'postgres12',
      SQL_HOST: database.hostname,
      SQL_PORT: String(database.port),
      SQL_USER: DATABASE_USER,
      SQL_TLS: 'true',
      SQL_TLS_CA_FILE: CA_FILE,
      DATABASE_CA: database.ca,
    },
    secrets: { SQL_PASSWORD: password },
    logging,
  });
  const server = taskDefinition.addContainer('Server', {
    containerName: 'server',
    image: images.server,
    portMappings: [{ containerPort: FRONTEND_PORT }],
    entryPoint: ['sh', '-c'],
    command: [START_SERVER],
    // The image contains no configuration: the server fills its own template with these variables.
    environment: {
      DB: 'postgres12',
      DB_PORT: String(database.port),
      POSTGRES_SEEDS: database.hostname,
      POSTGRES_USER: DATABASE_USER,
      DBNAME: DATABASE,
      VISIBILITY_DBNAME: VISIBILITY,
      SQL_TLS_ENABLED: 'true',
      SQL_HOST_VERIFICATION: 'true',
      SQL_CA: CA_FILE,
      DATABASE_CA: database.ca,
      NUM_HISTORY_SHARDS: String(HISTORY_SHARDS),
      // The load balancer connects to the task's address, the other containers to 127.0.0.1.
      BIND_ON_IP: '0.0.0.0',
      // All of Temporal's services are in this one process.
      TEMPORAL_BROADCAST_ADDRESS: '127.0.0.1',
      DYNAMIC_CONFIG_FILE_PATH: DYNAMIC_CONFIG_FILE,
      DYNAMIC_CONFIG: dynamicConfigFile(config.dynamicConfig),
      // The server is reachable only inside the network.
      TEMPORAL_ALLOW_NO_AUTH: 'true',
    },
    secrets: { POSTGRES_PWD: password },
    healthCheck: {
      // A request to the frontend, over its HTTP API: the image has BusyBox, but not the `temporal` command.
      command: ['CMD-SHELL', `wget -q -O /dev/null http://127.0.0.1:${FRONTEND_HTTP_PORT}/api/v1/system-info`],
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
    image: images.adminTools,
    // The deployment of the service completes, and workers are deployed, once the namespace is registered.
    essential: true,
    entryPoint: ['sh', '-c'],
    command: [registerNamespace(config)],
    environment: { TEMPORAL_ADDRESS: `127.0.0.1:${FRONTEND_PORT}` },
    healthCheck: {
      command: ['CMD-SHELL', `test -f ${REGISTERED_FILE}`],
      interval: Duration.seconds(10),
      startPeriod: Duration.seconds(300),
      retries: 3,
    },
    logging,
  });
  namespace.addContainerDependencies({ container: server, condition: ecs.ContainerDependencyCondition.HEALTHY });
  return taskDefinition;
}
