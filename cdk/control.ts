/** The control worker of a version, on Fargate. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import { SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { isStopped, type DeployConfig } from '../config/deployment.ts';
import { mountWritable, workerContainer } from './environment.ts';
import { imageOf } from './images.ts';
import { acknowledgeTask } from './acknowledgements.ts';
import type { StorageStack } from './storage.ts';
import type { ClusterStack } from './cluster.ts';
import type { TemporalConnection } from './temporal-connection.ts';
import { stackNameOf, type Version } from './versions.ts';

/** Resources of other stacks that the stacks of workers use. */
export interface WorkersProps extends StackProps {
  vpc: IVpc;
  subnets: SubnetSelection;
  storage: StorageStack;
  temporal: TemporalConnection;
  /** What all versions share. */
  shared: ClusterStack;
  version: Version;
}

/** Limit of the artifact cache and of the hub cache, each in GB; both fit into Fargate's 20 GB of storage. */
const CACHE_GB = 7;

/** The control worker of a version. */
export class ControlStack extends Stack {
  constructor(scope: Construct, id: string, config: DeployConfig, props: WorkersProps) {
    super(scope, id, props);
    const { vpc, subnets, shared, version } = props;
    new ecs.FargateService(this, 'Service', {
      cluster: shared.cluster,
      // The worker stops its service by this name when its version is drained.
      serviceName: stackNameOf('control', version),
      taskDefinition: this.taskDefinition(config, props),
      desiredCount: isStopped(config) ? 0 : 1,
      vpcSubnets: subnets,
      securityGroups: [new SecurityGroup(this, 'Workers', { vpc, description: 'Control workers: nothing comes in' })],
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { rollback: true },
    });
  }

  private taskDefinition(config: DeployConfig, props: WorkersProps) {
    const { version, shared } = props;
    const { clusterArn, clusterName } = shared.cluster;
    const serviceName = stackNameOf('control', version);
    const taskDefinition = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: config.control.cpu,
      memoryLimitMiB: config.control.memoryMiB,
      volumes: [{ name: 'home' }, { name: 'tmp' }],
    });
    const container = taskDefinition.addContainer('Worker', {
      ...workerContainer(taskDefinition, {
        role: 'control',
        version: version.id,
        image: imageOf('control', config),
        storeUrl: props.storage.url,
        temporal: props.temporal,
        config,
        cacheGb: CACHE_GB,
        environment: {
          SELM_SCHEDULES: JSON.stringify(config.schedules),
          SELM_ECS_CLUSTER: clusterArn,
          SELM_ECS_SERVICE: serviceName,
        },
      }),
      logging: ecs.LogDrivers.awsLogs({ logGroup: shared.controlLogs, streamPrefix: `control-${version.id}` }),
    });
    mountWritable(container);
    props.storage.grantTo(taskDefinition.taskRole);
    const service = this.formatArn({
      service: 'ecs',
      resource: 'service',
      resourceName: `${clusterName}/${serviceName}`,
    });
    taskDefinition.taskRole.addToPrincipalPolicy(
      new PolicyStatement({ actions: ['ecs:ListTagsForResource'], resources: [clusterArn] }),
    );
    taskDefinition.taskRole.addToPrincipalPolicy(
      new PolicyStatement({ actions: ['ecs:UpdateService'], resources: [service] }),
    );
    acknowledgeTask(taskDefinition, config.name);
    new CfnOutput(this, 'Image', { value: container.imageName });
    return taskDefinition;
  }
}
