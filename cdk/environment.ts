/** A worker's container: its command, and the environment variables that `selm worker` reads. */
import { Duration, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { DeployConfig } from '../config/deployment.ts';
import { InputError } from '../data/errors.ts';
import type { TemporalConnection } from './temporal-connection.ts';

/** CloudWatch namespace of all metrics of the workers. */
export const METRICS_NAMESPACE = 'selm';
/** SELM_HOME in the containers: a mounted, writable volume. */
const HOME = '/var/lib/selm';
const HEALTH_PORT = 8080;

/** The folders that a worker and its processes write to: the rest of a container's file system is read-only. */
const FOLDERS = {
  SELM_HOME: HOME,
  SELM_CACHE: `${HOME}/cache`,
  HF_HOME: `${HOME}/hub`,
  // Where programs without a variable of their own write, such as CUDA's driver (~/.nv).
  HOME: `${HOME}/home`,
};

/** Those of PyTorch, vLLM and the compilers that they use. All but the first three are below ~/.cache or /tmp by default. */
const COMPILED = `${HOME}/cache/compiled`;
const GPU_FOLDERS = {
  XDG_CACHE_HOME: COMPILED,
  VLLM_CACHE_ROOT: `${COMPILED}/vllm`,
  VLLM_CONFIG_ROOT: `${HOME}/home/vllm`,
  TORCHINDUCTOR_CACHE_DIR: `${COMPILED}/inductor`,
  TORCH_EXTENSIONS_DIR: `${COMPILED}/torch-extensions`,
  TRITON_CACHE_DIR: `${COMPILED}/triton`,
  FLASHINFER_WORKSPACE_BASE: COMPILED,
  CUDA_CACHE_PATH: `${COMPILED}/cuda`,
};

/** The worker's role: it decides which task queues it polls (`selm worker --role`). */
type WorkerRole = 'control' | 'gpu' | 'node';

/** Seconds that a stopping worker gives its activities to finish before they write a checkpoint; well below STOP_SECONDS. */
const GRACE_SECONDS: Record<WorkerRole, number> = { control: 5, gpu: 45, node: 45 };
/** Stop timeout: seconds between SIGTERM and SIGKILL. 120 is ECS's maximum and the notice period of a spot instance. */
const STOP_SECONDS: Record<WorkerRole, number> = { control: 60, gpu: 120, node: 120 };

/** Settings of a worker's container. */
export interface WorkerProps {
  role: WorkerRole;
  /** The worker's Temporal build id. */
  version: string;
  image: ecs.ContainerImage;
  storeUrl: string;
  temporal: TemporalConnection;
  config: DeployConfig;
  cacheGb: number;
  /** Variables in addition to those of all workers. */
  environment: Record<string, string>;
}

/**
 * Options of a worker's container. The task definition must have the volumes `home` and `tmp` (see `mountWritable`).
 * @throws InputError when the configuration gives a variable that the deployment sets
 */
export function workerContainer(scope: Construct, props: WorkerProps): ecs.ContainerDefinitionOptions {
  const { role, version, image, storeUrl, temporal, config, cacheGb } = props;
  const environment = {
    AWS_REGION: Stack.of(scope).region,
    SELM_STORE: storeUrl,
    ...FOLDERS,
    ...(role !== 'control' && GPU_FOLDERS),
    SELM_CACHE_GB: String(cacheGb),
    SELM_HUB_CACHE_GB: String(cacheGb),
    SELM_LOG: 'json',
    SELM_METRICS_NAMESPACE: METRICS_NAMESPACE,
    SELM_DEPLOYMENT: config.name,
    SELM_GRACE_SECONDS: String(GRACE_SECONDS[role]),
    SELM_HEALTH_PORT: String(HEALTH_PORT),
    ...temporal.environment,
    ...(config.otlpEndpoint !== undefined && { OTEL_EXPORTER_OTLP_ENDPOINT: config.otlpEndpoint }),
    ...props.environment,
  };
  for (const section of ['environment', 'secrets'] as const) {
    const taken = Object.keys(config[section]).find(
      (variable) => variable in environment || variable in temporal.secrets,
    );
    if (taken === undefined) continue;
    throw new InputError(`${section}.${taken}: the deployment sets this variable of the workers itself; remove it.`);
  }
  return {
    containerName: 'worker',
    image,
    command: ['worker', '--role', role, '--deployment', config.name, '--build-id', version],
    environment: { ...config.environment, ...environment },
    secrets: secretsOf(scope, { ...temporal.secrets, ...config.secrets }, version),
    healthCheck: healthCheck(`http://127.0.0.1:${HEALTH_PORT}`),
    stopTimeout: Duration.seconds(STOP_SECONDS[role]),
    readonlyRootFilesystem: true,
  };
}

/** Environment variables from Secrets Manager. `secrets` maps variables to names of secrets. */
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

/** A health check that passes while GET `url` returns a successful response. */
export const healthCheck = (url: string): ecs.HealthCheck => ({
  command: ['CMD', 'node', '-e', `fetch('${url}').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`],
  interval: Duration.seconds(30),
  startPeriod: Duration.seconds(120),
  retries: 3,
});

/** Mounts the writable volumes. The rest of a worker's file system is read-only. */
export function mountWritable(container: ecs.ContainerDefinition): void {
  container.addMountPoints(
    { sourceVolume: 'home', containerPath: HOME, readOnly: false },
    { sourceVolume: 'tmp', containerPath: '/tmp', readOnly: false },
  );
}
