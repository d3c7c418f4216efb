/**
 * ECS Exec: commands in running containers, through Systems Manager. Permissions of the task role:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html (those of CDK's `enableExecuteCommand`, which exec.test.ts
 * compares them with). Without a key for the sessions themselves (`KmsKeyId`), the role needs none of KMS: CloudWatch Logs encrypts.
 */
import type { Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import { acknowledgeSessions } from './acknowledgements.ts';

/** The SSM agent's connection; the actions have no resource. */
const CHANNELS = ['CreateControlChannel', 'CreateDataChannel', 'OpenControlChannel', 'OpenDataChannel'];
const WRITE_LOG = ['logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'];

/** Allows ECS Exec in all services. @param sessions receives the log of the sessions @param encrypted whether it has a KMS key */
export function allowExec(stacks: Stack[], sessions: LogGroup, encrypted: boolean): void {
  for (const construct of stacks.flatMap((stack) => stack.node.findAll())) {
    if (construct instanceof ecs.CfnService) construct.enableExecuteCommand = true;
    if (construct instanceof ecs.TaskDefinition) openContainers(construct, sessions);
    if (construct instanceof ecs.CfnCluster)
      construct.addPropertyOverride('Configuration.ExecuteCommandConfiguration', {
        Logging: 'OVERRIDE',
        LogConfiguration: { CloudWatchLogGroupName: sessions.logGroupName, CloudWatchEncryptionEnabled: encrypted },
      });
  }
}

function openContainers(task: ecs.TaskDefinition, sessions: LogGroup): void {
  const allow = (actions: string[], resource: string) =>
    task.addToTaskRolePolicy(new PolicyStatement({ actions, resources: [resource] }));
  allow([...CHANNELS.map((action) => `ssmmessages:${action}`), 'logs:DescribeLogGroups'], '*');
  allow(WRITE_LOG, sessions.logGroupArn);
  acknowledgeSessions(task);
  const resource = task.node.defaultChild as ecs.CfnTaskDefinition;
  const containers = task.node.children.filter((child) => child instanceof ecs.ContainerDefinition);
  for (const index of containers.keys()) {
    const container = `ContainerDefinitions.${index}`;
    // ECS Exec does not work with a read-only root: the SSM agent creates folders in it (github.com/aws/containers-roadmap/issues/1359).
    resource.addPropertyOverride(`${container}.ReadonlyRootFilesystem`, false);
    // Reaps the processes that the SSM agent leaves behind.
    resource.addPropertyOverride(`${container}.LinuxParameters.InitProcessEnabled`, true);
  }
}
