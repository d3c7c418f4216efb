/** The task of a GPU worker: one container with all GPUs of its pool, which starts PyTorch's ranks and vLLM itself, by turns. */
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { acknowledgeProtection, acknowledgeTask } from './acknowledgements.ts';
import type { DeployConfig } from '../config/deployment.ts';
import type { Pool, PoolConfig } from '../config/deployment/gpu.ts';
import type { WorkersProps } from './control.ts';
import { mountWritable, workerContainer } from './environment.ts';
import type { Capacity } from './gpu-capacity.ts';
import { LOCAL_DISK } from './local-disks.ts';

/** What a task definition of GPU workers is made from. */
interface GpuTaskProps extends Pool, Pick<WorkersProps, 'storage' | 'temporal'> {
  config: DeployConfig;
  /** Temporal build id. */
  version: string;
  image: ecs.ContainerImage;
  capacity: Capacity;
  cluster: ecs.Cluster;
  logGroup: ILogGroup;
}

/**
 * Docker forbids the system calls for NUMA nodes to containers, which NCCL's way to allocate host memory needs since version 2.24. With
 * this, NCCL uses /dev/shm (`sharedMemoryMiB`) where the GPUs have no NVLink. vLLM's tests in containers set it, too.
 */
const SEVERAL_GPUS = { NCCL_CUMEM_HOST_ENABLE: '0' };

/** Adds the task definition of a pool's workers. @returns it, and the name of its image */
export function gpuTask(scope: Construct, props: GpuTaskProps): { task: ecs.TaskDefinition; imageName: string } {
  const { config, name, pool, version, capacity, cluster, logGroup, storage } = props;
  const managed = pool.capacity === 'managed-instances';
  // Without a host's folder, a volume has the owner that the folder of the image's VOLUME at its path has; root's otherwise
  // (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html).
  const volume = (of: string) => (managed ? { name: of } : { name: of, host: { sourcePath: `${LOCAL_DISK}/${of}` } });
  const task = new ecs.TaskDefinition(scope, 'Task', {
    compatibility: managed ? ecs.Compatibility.MANAGED_INSTANCES : ecs.Compatibility.EC2,
    networkMode: ecs.NetworkMode.AWS_VPC,
    cpu: String(pool.cpu),
    memoryMiB: String(pool.memoryMiB),
    volumes: [volume('home'), volume('tmp')],
  });
  const container = task.addContainer('Worker', {
    ...workerContainer(task, {
      role: name === 'single' ? 'gpu' : 'node',
      version,
      image: props.image,
      storeUrl: storage.url,
      temporal: props.temporal,
      config,
      cacheGb: pool.cacheGb,
      environment: { SELM_CAPACITY: capacity, SELM_POOL: name, ...(pool.gpus > 1 && SEVERAL_GPUS) },
    }),
    // The ECS agent sets NVIDIA_VISIBLE_DEVICES to them, so that the worker finds these GPUs and no others.
    gpuCount: pool.gpus,
    memoryReservationMiB: Math.floor(pool.memoryMiB / 4),
    linuxParameters: linuxParameters(task, pool),
    ...(pool.gpus > 1 && { ulimits: ULIMITS }),
    logging: ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: `${name}-${version}` }),
  });
  mountWritable(container);
  storage.grantTo(task.taskRole);
  const { stack } = cluster;
  const tasks = stack.formatArn({ service: 'ecs', resource: 'task', resourceName: `${cluster.clusterName}/*` });
  task.taskRole.addToPrincipalPolicy(
    new PolicyStatement({ actions: ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'], resources: [tasks] }),
  );
  acknowledgeTask(task, config.name);
  acknowledgeProtection(task, stack.getLogicalId(cluster.node.defaultChild as ecs.CfnCluster));
  return { task, imageName: container.imageName };
}

/** Of several ranks and servers: memory that is locked for the GPUs, threads' stacks, and a socket for each pair and request. */
const ULIMITS: ecs.Ulimit[] = [
  { name: ecs.UlimitName.MEMLOCK, softLimit: -1, hardLimit: -1 },
  { name: ecs.UlimitName.STACK, softLimit: 67_108_864, hardLimit: 67_108_864 },
  { name: ecs.UlimitName.NOFILE, softLimit: 65_536, hardLimit: 65_536 },
];

/** An init process, which collects the ended processes of ranks and servers; and /dev/shm, which managed instances do not let one set. */
const linuxParameters = (scope: Construct, { sharedMemoryMiB }: PoolConfig) =>
  new ecs.LinuxParameters(scope, 'Linux', {
    initProcessEnabled: true,
    ...(sharedMemoryMiB !== undefined && { sharedMemorySize: sharedMemoryMiB }),
  });
