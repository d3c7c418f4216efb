/** The GPU workers of a version: in each pool one service per capacity, scaled from zero with the demand of the version and pool. */
import { Aspects, CfnOutput, Stack, Validations, type StackProps } from 'aws-cdk-lib';
import { SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct, type IConstruct } from 'constructs';
import { alarmWhenStarved } from './alarms.ts';
import { isStopped, type DeployConfig } from '../config/deployment.ts';
import { poolsOf, type Pool } from '../config/deployment/gpu.ts';
import type { PoolName } from '../config/pools.ts';
import { addAutoScalingGroup } from './auto-scaling-group.ts';
import type { WorkersProps } from './control.ts';
import { capacitiesOf, poolSubnets, type Capacity } from './gpu-capacity.ts';
import { gpuTask } from './gpu-task.ts';
import { imageOf } from './images.ts';
import { addManagedInstances } from './managed-instances.ts';
import { demandMetric, starvedDemand } from './metrics.ts';
import { scaleToDemand } from './scaling.ts';

/** The alarms notify `topic`. */
export interface GpuProps extends WorkersProps {
  topic: ITopic;
}

/** The GPU workers, their cluster, capacity providers and scaling. */
export class GpuStack extends Stack {
  private readonly config: DeployConfig;
  private readonly props: GpuProps;
  private readonly cluster: ecs.Cluster;
  private readonly securityGroup: SecurityGroup;

  constructor(scope: Construct, id: string, config: DeployConfig, props: GpuProps) {
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
    for (const pool of poolsOf(config)) {
      const place = new Construct(this, pool.name === 'single' ? 'Single' : 'Node');
      const capacities = capacitiesOf(pool.pool);
      for (const capacity of capacities) this.addCapacity(place, pool, capacity, capacities.length > 1);
      alarmWhenStarved(place, this.workOf(pool.name), pool.pool, props.topic);
    }
    Aspects.of(this).add({ visit: (node) => this.associateFirst(node) });
  }

  /**
   * ECS creates a service only after the capacity providers of its Auto Scaling groups are associated with the cluster, and removes the
   * association only after the service. CDK creates the association during synthesis, without this dependency.
   */
  private associateFirst(node: IConstruct): void {
    if (!(node instanceof ecs.Ec2Service)) return;
    for (const child of this.cluster.node.findAll())
      if (child instanceof ecs.CfnClusterCapacityProviderAssociations) node.node.addDependency(child);
  }

  /** @param shared whether there are spot instances, too, so that on-demand instances are only a fallback */
  private addCapacity(place: Construct, { name, pool }: Pool, capacity: Capacity, shared: boolean): void {
    const { config, cluster, securityGroup } = this;
    const { vpc, subnets } = this.props;
    const scope = new Construct(place, capacity === 'spot' ? 'Spot' : 'OnDemand');
    const add = pool.capacity === 'managed-instances' ? addManagedInstances : addAutoScalingGroup;
    const provider = add(scope, { cluster, vpc, subnets, securityGroup, name, pool, capacity });
    const workers = new Construct(scope, 'Workers');
    const work = this.workOf(name);
    const fallback = shared && capacity === 'on-demand';
    scaleToDemand(workers, {
      service: this.addService(workers, { name, pool }, capacity, provider),
      maxWorkers: pool.maxWorkers,
      stopped: isStopped(config),
      demand: fallback ? starvedDemand(work) : demandMetric(work),
      startMinutes: fallback ? pool.fallbackMinutes : 1,
      idleMinutes: pool.idleMinutes,
    });
  }

  private workOf(pool: PoolName) {
    return { deployment: this.config.name, pool, version: this.props.version.id };
  }

  private addService(scope: Construct, { name, pool }: Pool, capacity: Capacity, capacityProvider: string) {
    const { config, cluster, securityGroup } = this;
    const { vpc, subnets, storage, temporal, shared, version } = this.props;
    const { task, imageName } = gpuTask(scope, {
      config,
      name,
      pool,
      capacity,
      cluster,
      storage,
      temporal,
      logGroup: shared.gpuLogs,
      version: version.id,
      image: imageOf('gpu', config),
    });
    if (!this.node.tryFindChild('Image')) new CfnOutput(this, 'Image', { value: imageName });
    const props = {
      cluster,
      taskDefinition: task,
      capacityProviderStrategies: [{ capacityProvider, weight: 1 }],
      vpcSubnets: { subnets: poolSubnets(vpc, subnets, pool) },
      securityGroups: [securityGroup],
      // A deployment needs no GPU. The count stays what scaling has set: a change of the service makes another version.
      desiredCount: 0,
      // Only scaling starts workers.
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      availabilityZoneRebalancing: ecs.AvailabilityZoneRebalancing.DISABLED,
    };
    const service =
      pool.capacity === 'managed-instances'
        ? new ecs.FargateService(scope, 'Service', props)
        : new ecs.Ec2Service(scope, 'Service', props);
    Validations.of(service).acknowledge({
      id: 'Annotation::@aws-cdk/aws-ecs:shouldUseCircuitBreaker',
      reason: 'A deployment starts no task: scaling does, and the alarm Starved reports tasks that do not start.',
    });
    return service;
  }
}
