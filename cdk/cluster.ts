/** What all versions of the workers share: the cluster of the control workers and the web pages, and the logs. */
import { CfnOutput, Stack, Tags, Validations, type StackProps } from 'aws-cdk-lib';
import type { IVpc } from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { VERSION_TAG } from '../config/deployment/version-tag.ts';
import { CLUSTER_OUTPUT, VERSION_OUTPUT, type Version } from './versions.ts';

/** The shared cluster and log groups. They outlive versions, so that the logs of an earlier version can still be read. */
export class ClusterStack extends Stack {
  readonly cluster: ecs.Cluster;
  readonly controlLogs: LogGroup;
  readonly gpuLogs: LogGroup;

  constructor(scope: Construct, id: string, version: Version, props: StackProps & { vpc: IVpc }) {
    super(scope, id, props);
    const { vpc } = props;
    this.cluster = new ecs.Cluster(this, 'Cluster', { vpc, containerInsightsV2: ecs.ContainerInsights.DISABLED });
    Tags.of(this.cluster).add(VERSION_TAG, version.id);
    Validations.of(this.cluster).acknowledge({
      id: 'AwsSolutions-ECS4',
      reason: 'The workers publish the metrics that alarms need; Container Insights would cost more than the worker.',
    });
    new CfnOutput(this, CLUSTER_OUTPUT, { value: this.cluster.clusterName });
    new CfnOutput(this, VERSION_OUTPUT, { value: version.id });
    this.controlLogs = new LogGroup(this, 'ControlLogs', { retention: RetentionDays.ONE_MONTH });
    this.gpuLogs = new LogGroup(this, 'GpuLogs', { retention: RetentionDays.ONE_MONTH });
  }
}
