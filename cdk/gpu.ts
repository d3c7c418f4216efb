/** The GPU workers: one service per version and capacity, scaled from zero with the version's demand. */
import { CfnOutput, Stack, Validations, type StackProps } from 'aws-cdk-lib';
import { SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledgeProtection, acknowledgeTask } from './acknowledgements.ts';
import { isStopped, type DeployConfig } from '../config/deployment.ts';
import type { WorkersProps } from './control.ts';
import { HOME, mountWritable, workerContainer } from './environment.ts';
import { addAutoScalingGroup, addManagedInstances, type Capacity } from './gpu-capacity.ts';
import { imageOf } from './images.ts';
import { deploymentMetric, starvedDemand } from './metrics.ts';
import { scaleToDemand } from './scaling.ts';
import { addVllm } from './vllm.ts';
import { demandMetricOf, versionsOf, type Version } from './versions.ts';

/** The GPU workers, their cluster, capacity providers and scaling. */
export class GpuStack extends Stack {
  private readonly config: DeployConfig;
  private readonly props: WorkersProps;
  private readonly cluster: ecs.Cluster;
  private readonly securityGroup: SecurityGroup;
  private readonly logGroup: LogGroup;

  constructor(scope: Construct, id: string, config: DeployConfig, props: WorkersProps) {
    super(scope, id, props as StackProps);
    const { vpc } = props;
    this.config = config;
    this.props = props;
    this.cluster = new ecs.Cluster(this, 'Cluster', { vpc, containerInsightsV2: ecs.ContainerInsights.DISABLED });
    Validations.of(this.cluster).acknowledge({
      id: 'AwsSolutions-ECS4',
      reason: 'The workers publish the metrics that alarms and scaling need.',
    });
    this.securityGroup = new SecurityGroup(this, 'Workers', { vpc, description: 'GPU workers: nothing comes in' });
    this.logGroup = new LogGroup(this, 'Logs', { retention: RetentionDays.ONE_MONTH });
    const { spot, capacityBlock } = config.gpu;
    const capacities: Capacity[] = spot && capacityBlock === undefined ? ['spot', 'on-demand'] : ['on-demand'];
    for (const capacity of capacities) this.addCapacity(capacity, capacities.length > 1);
  }

  /** @param shared whether there are spot instances, too, so that on-demand instances are only a fallback */
  private addCapacity(capacity: Capacity, shared: boolean): void {
    const { config, cluster, securityGroup } = this;
    const { vpc, subnets } = this.props;
    const { gpu } = config;
    const scope = new Construct(this, capacity === 'spot' ? 'Spot' : 'OnDemand');
    const add = gpu.capacity === 'managed-instances' ? addManagedInstances : addAutoScalingGroup;
    const provider = add(scope, { cluster, vpc, subnets, securityGroup, gpu, capacity });
    for (const version of versionsOf(config)) {
      const place = new Construct(scope, `Workers${version.suffix}`);
      const service = this.addService(place, version, capacity, provider);
      const demandMetric = demandMetricOf(version);
      const fallback = shared && capacity === 'on-demand';
      scaleToDemand(place, {
        service,
        maxWorkers: gpu.maxWorkers,
        stopped: isStopped(config),
        demand: fallback ? starvedDemand(config.name, demandMetric) : deploymentMetric(config.name, demandMetric),
        startMinutes: fallback ? gpu.fallbackMinutes : 1,
        idleMinutes: gpu.idleMinutes,
      });
    }
  }

  private addService(scope: Construct, version: Version, capacity: Capacity, provider: string) {
    const { cluster, securityGroup } = this;
    const taskDefinition = this.taskDefinition(scope, version, capacity);
    const props = {
      cluster,
      taskDefinition,
      capacityProviderStrategies: [{ capacityProvider: provider, weight: 1 }],
      vpcSubnets: this.props.subnets,
      securityGroups: [securityGroup],
      // A deployment needs no GPU. An update also resets the count to 0: protected workers stay, and within a minute scaling sets
      // the count to the demand again.
      desiredCount: 0,
      // Only scaling starts workers. A deployment replaces a worker after it has stopped, and a protected one finishes first.
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      availabilityZoneRebalancing: ecs.AvailabilityZoneRebalancing.DISABLED,
    };
    return this.config.gpu.capacity === 'managed-instances'
      ? new ecs.FargateService(scope, 'Service', props)
      : new ecs.Ec2Service(scope, 'Service', props);
  }

  private taskDefinition(scope: Construct, version: Version, capacity: Capacity): ecs.TaskDefinition {
    const { config, logGroup } = this;
    const { gpu } = config;
    const managed = gpu.capacity === 'managed-instances';
    const place = (name: string) => (managed ? { name } : { name, host: { sourcePath: `/mnt/selm/${name}` } });
    const taskDefinition = new ecs.TaskDefinition(scope, 'Task', {
      compatibility: managed ? ecs.Compatibility.MANAGED_INSTANCES : ecs.Compatibility.EC2,
      networkMode: ecs.NetworkMode.AWS_VPC,
      cpu: String(gpu.cpu),
      memoryMiB: String(gpu.memoryMiB),
      volumes: [place('home'), place('tmp')],
    });
    const image = version.images ? ecs.ContainerImage.fromRegistry(version.images.gpu) : imageOf('gpu', config);
    const logging = ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: `gpu-${version.id}` });
    const container = taskDefinition.addContainer('Worker', {
      ...workerContainer(taskDefinition, {
        role: 'gpu',
        version: version.id,
        image,
        storeUrl: this.props.storage.url,
        temporal: this.props.temporal,
        config,
        cacheGb: gpu.cacheGb,
        environment: { SELM_CAPACITY: capacity },
      }),
      // Only one container can have the GPU. With vLLM it is vLLM's, and the worker's engine computes on the CPU.
      ...(!config.vllm && { gpuCount: 1 }),
      memoryReservationMiB: Math.floor(gpu.memoryMiB / 4),
      logging,
    });
    mountWritable(container);
    if (config.vllm) addVllm(taskDefinition, config.vllm, logging, HOME);
    this.props.storage.grantTo(taskDefinition.taskRole);
    const tasks = this.formatArn({ service: 'ecs', resource: 'task', resourceName: `${this.cluster.clusterName}/*` });
    taskDefinition.taskRole.addToPrincipalPolicy(
      new PolicyStatement({ actions: ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'], resources: [tasks] }),
    );
    acknowledgeTask(taskDefinition, config.name);
    acknowledgeProtection(taskDefinition, this.getLogicalId(this.cluster.node.defaultChild as ecs.CfnCluster));
    if (!version.images && !this.node.tryFindChild('Image'))
      new CfnOutput(this, 'Image', {
        value: container.imageName,
        description: 'For `draining`, when another version is current',
      });
    return taskDefinition;
  }
}
