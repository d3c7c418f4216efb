/** The control workers on Fargate, one for the current version and one for each draining version, and the web pages. */
import { CfnOutput, Stack, Validations, type StackProps } from 'aws-cdk-lib';
import type { IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import { SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { isStopped, type DeployConfig } from '../config/deployment.ts';
import { mountWritable, workerContainer } from './environment.ts';
import { imageOf } from './images.ts';
import { acknowledgeTask } from './acknowledgements.ts';
import type { StorageStack } from './storage.ts';
import type { TemporalConnection } from './temporal-connection.ts';
import { addUi } from './ui.ts';
import { demandMetricOf, versionsOf, type Version } from './versions.ts';

/** Resources of other stacks that the stacks of workers use. */
export interface WorkersProps extends StackProps {
  vpc: IVpc;
  subnets: SubnetSelection;
  storage: StorageStack;
  temporal: TemporalConnection;
}

/** Limit of the artifact cache and of the hub cache, each in GB; both fit into Fargate's 20 GB of storage. */
const CACHE_GB = 7;

export interface ControlProps extends WorkersProps {
  /** Subnets of the web pages' load balancer if it is reachable from the internet. */
  entrance: SubnetSelection;
}

/** The control workers, their cluster and, if configured, the web pages. */
export class ControlStack extends Stack {
  constructor(scope: Construct, id: string, config: DeployConfig, props: ControlProps) {
    super(scope, id, props);
    const { vpc, subnets } = props;
    const cluster = new ecs.Cluster(this, 'Cluster', { vpc, containerInsightsV2: ecs.ContainerInsights.DISABLED });
    Validations.of(cluster).acknowledge({
      id: 'AwsSolutions-ECS4',
      reason: 'The workers publish the metrics that alarms need; Container Insights would cost more than the worker.',
    });
    const logGroup = new LogGroup(this, 'Logs', { retention: RetentionDays.ONE_MONTH });
    const securityGroup = new SecurityGroup(this, 'Workers', { vpc, description: 'Control workers: nothing comes in' });
    for (const version of versionsOf(config)) {
      const taskDefinition = this.taskDefinition(version, config, props, logGroup);
      new ecs.FargateService(this, `Service${version.suffix}`, {
        cluster,
        taskDefinition,
        desiredCount: isStopped(config) ? 0 : 1,
        vpcSubnets: subnets,
        securityGroups: [securityGroup],
        minHealthyPercent: 100,
        maxHealthyPercent: 200,
        circuitBreaker: { rollback: true },
      });
    }
    if (config.ui !== false) addUi(this, config, config.ui, { ...props, cluster, logGroup });
  }

  private taskDefinition(version: Version, config: DeployConfig, props: WorkersProps, logGroup: LogGroup) {
    const taskDefinition = new ecs.FargateTaskDefinition(this, `Task${version.suffix}`, {
      cpu: config.control.cpu,
      memoryLimitMiB: config.control.memoryMiB,
      volumes: [{ name: 'home' }, { name: 'tmp' }],
    });
    const { schedules } = config;
    const image = version.images ? ecs.ContainerImage.fromRegistry(version.images.control) : imageOf('control', config);
    const container = taskDefinition.addContainer('Worker', {
      ...workerContainer(taskDefinition, {
        role: 'control',
        version: version.id,
        image,
        storeUrl: props.storage.url,
        temporal: props.temporal,
        config,
        cacheGb: CACHE_GB,
        environment: {
          SELM_DEMAND_METRIC: demandMetricOf(version),
          // Only the current version becomes Temporal's current version and creates schedules.
          ...(!version.images && { SELM_MAKE_CURRENT: '1', SELM_SCHEDULES: JSON.stringify(schedules) }),
        },
      }),
      logging: ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: `control-${version.id}` }),
    });
    mountWritable(container);
    props.storage.grantTo(taskDefinition.taskRole);
    acknowledgeTask(taskDefinition, config.name);
    if (!version.images)
      new CfnOutput(this, 'Image', {
        value: container.imageName,
        description: 'For `draining`, when another version is current',
      });
    return taskDefinition;
  }
}
