/** What a worker's container is given: the command, and the environment that `selm worker` reads. */
import { Duration, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { DeployConfig } from '../config/deployment.ts';
import type { Role } from './images.ts';
import type { TemporalConnection } from './temporal-connection.ts';

export const METRICS_NAMESPACE = 'selm';
export const HOME = '/var/lib/selm';
const HEALTH_PORT = 8080;

/** What a stopping worker leaves its activities before they write their checkpoint; well below the stop timeout. */
const GRACE_SECONDS: Record<Role, number> = { control: 5, gpu: 45 };
/** Of ECS, before it kills: 120 s is the most, and what a spot instance has left. */
const STOP_SECONDS: Record<Role, number> = { control: 60, gpu: 120 };

export interface WorkerProps {
  role: Role;
  /** Of the worker: runs stay with the one that they began on. */
  version: string;
  image: ecs.ContainerImage;
  storeUrl: string;
  temporal: TemporalConnection;
  config: DeployConfig;
  cacheGb: number;
  /** Beside what all workers have. */
  environment: Record<string, string>;
}

/** A worker's container, for a task definition that has a volume `home` and one `tmp`. */
export function workerContainer(scope: Construct, props: WorkerProps): ecs.ContainerDefinitionOptions {
  const { role, version, image, storeUrl, temporal, config, cacheGb, environment } = props;
  return {
    containerName: 'worker',
    image,
    command: ['worker', '--role', role, '--deployment', config.name, '--build-id', version],
    environment: {
      AWS_REGION: Stack.of(scope).region,
      SELM_STORE: storeUrl,
      SELM_HOME: HOME,
      HF_HOME: `${HOME}/hub`,
      SELM_CACHE_GB: String(cacheGb),
      SELM_HUB_CACHE_GB: String(cacheGb),
      SELM_LOG: 'json',
      SELM_METRICS_NAMESPACE: METRICS_NAMESPACE,
      SELM_DEPLOYMENT: config.name,
      SELM_GRACE_SECONDS: String(GRACE_SECONDS[role]),
      SELM_HEALTH_PORT: String(HEALTH_PORT),
      ...temporal.environment,
      ...(config.otlpEndpoint !== undefined && { OTEL_EXPORTER_OTLP_ENDPOINT: config.otlpEndpoint }),
      ...config.environment,
      ...environment,
    },
    secrets: secretsOf(scope, { ...temporal.secrets, ...config.secrets }, version),
    healthCheck: healthCheck(`http://127.0.0.1:${HEALTH_PORT}`),
    stopTimeout: Duration.seconds(STOP_SECONDS[role]),
    readonlyRootFilesystem: true,
  };
}

/** Variables from Secrets Manager, by the names of their secrets. */
export const secretsOf = (
  scope: Construct,
  secrets: Record<string, string>,
  version: string,
): Record<string, ecs.Secret> =>
  Object.fromEntries(
    Object.entries(secrets).map(([variable, name]) => [
      variable,
      ecs.Secret.fromSecretsManager(Secret.fromSecretNameV2(scope, `${variable}-${version}`, name)),
    ]),
  );

/** A container is healthy while it answers at `url`. */
export const healthCheck = (url: string): ecs.HealthCheck => ({
  command: ['CMD', 'node', '-e', `fetch('${url}').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`],
  interval: Duration.seconds(30),
  startPeriod: Duration.seconds(120),
  retries: 3,
});

/** Where a worker may write: the only places of its file system that are not read-only. */
export function mountWritable(container: ecs.ContainerDefinition): void {
  container.addMountPoints(
    { sourceVolume: 'home', containerPath: HOME, readOnly: false },
    { sourceVolume: 'tmp', containerPath: '/tmp', readOnly: false },
  );
}
