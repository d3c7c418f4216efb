/** Acknowledged findings of cdk-nag, with reasons. Each names an exact finding; any other finding fails the synthesis. */
import { Stack, Token, Validations } from 'aws-cdk-lib';
import type { TaskDefinition } from 'aws-cdk-lib/aws-ecs';
import type { Construct, IConstruct } from 'constructs';

const shown = (value: string, name: string) => (Token.isUnresolved(value) ? `<AWS::${name}>` : value);

/** The beginning of the ARNs of the stack's ECS, as cdk-nag writes it. */
function ownEcs(scope: IConstruct): string {
  const { region, account } = Stack.of(scope);
  return `arn:<AWS::Partition>:ecs:${shown(region, 'Region')}:${shown(account, 'AccountId')}`;
}

const acknowledge = (scope: IConstruct, id: string, reason: string) =>
  Validations.of(scope).acknowledge({ id: `AwsSolutions-${id}`, reason });

/** Acknowledges the findings of every selm task: its access to the bucket's prefix, its plain variables, and the registry. */
export function acknowledgeTask(taskDefinition: TaskDefinition, deployment: string): void {
  const bucket = `${deployment}-storage:ExportsOutputFnGetAttArtifacts82DD59A1Arn3B515032`;
  acknowledge(
    taskDefinition,
    `IAM5[Resource::${bucket}/${deployment}/*]`,
    'Tasks read, and workers write, all objects under the prefix; their names are hashes that are not known in advance.',
  );
  acknowledge(
    taskDefinition,
    'ECS2',
    'The plain variables are names, addresses and numbers; all secrets come from Secrets Manager.',
  );
  acknowledgeRegistry(taskDefinition);
}

/** Acknowledges a role's access to the objects of an existing bucket. @param objects `BUCKET/PREFIX/*` */
export function acknowledgeObjects(role: IConstruct, objects: string): void {
  acknowledge(
    role,
    `IAM5[Resource::arn:<AWS::Partition>:s3:::${objects}]`,
    'Tasks read, and workers write, all objects under the prefix; their names are hashes that are not known in advance.',
  );
}

/** Acknowledges that the bucket of access logs has none of its own. */
export function acknowledgeLogBucket(bucket: Construct): void {
  acknowledge(bucket, 'S1', 'A log of the accesses to the logs would only log its own writing.');
}

/** Acknowledges the permission to pull an image from ECR. */
export function acknowledgeRegistry(taskDefinition: TaskDefinition): void {
  acknowledge(
    taskDefinition,
    'IAM5[Resource::*]',
    'ecr:GetAuthorizationToken, which signs in to the registry, has no resource.',
  );
}

/** Acknowledges the permissions of ECS Exec. */
export function acknowledgeSessions(taskDefinition: TaskDefinition): void {
  acknowledge(
    taskDefinition,
    'IAM5[Resource::*]',
    'The channels of ssmmessages and logs:DescribeLogGroups, which ECS Exec needs, have no resource.',
  );
}

/** Acknowledges a GPU worker's permission to protect its own ECS task. */
export function acknowledgeProtection(taskDefinition: TaskDefinition, cluster: string): void {
  acknowledge(
    taskDefinition,
    `IAM5[Resource::${ownEcs(taskDefinition)}:task/<${cluster}>/*]`,
    "A task protects itself by its id, which ECS generates; the cluster has only this deployment's workers.",
  );
}

/** Acknowledges the permissions of CDK's roles for managed instances, for ECS and its agent. */
export function acknowledgeManagedInstances(scope: Construct): void {
  acknowledge(scope, 'IAM5[Resource::*]', 'ecs:DiscoverPollEndpoint, with which the agent finds ECS, has no resource.');
  acknowledge(
    scope,
    `IAM5[Resource::${ownEcs(scope)}:container-instance/*]`,
    'The agent identifies its instance by an id that ECS generates.',
  );
  acknowledge(
    scope,
    'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedInstances]',
    'ECS launches and terminates instances with the policy that AWS manages for this.',
  );
}

/** Acknowledges the permissions of an Auto Scaling group's instances, and the group's settings. */
export function acknowledgeAutoScalingGroup(scope: Construct): void {
  acknowledge(
    scope,
    'IAM5[Action::ecs:Submit*]',
    'CDK: the agent reports the states of tasks, containers and attachments to its own cluster.',
  );
  acknowledge(
    scope,
    'IAM5[Resource::*]',
    'CDK: ecs:DiscoverPollEndpoint and ecr:GetAuthorizationToken have no resource; the rest is limited to the cluster.',
  );
  acknowledge(
    scope,
    'AS3',
    'Instances start and stop with the demand, which the dashboard shows; a notification for each would be noise.',
  );
  acknowledge(scope, 'EC26', 'The launch template encrypts the disks, which the check cannot resolve.');
}

/** Acknowledges a security group that intentionally allows connections from the internet. */
export function acknowledgeOpenDoor(securityGroup: Construct): void {
  acknowledge(
    securityGroup,
    'EC23',
    'The pages are available on the internet; the load balancer forwards only authenticated requests.',
  );
}

/** Acknowledges an ingress rule that is limited to the VPC's own address range. */
export function acknowledgeOwnRange(securityGroup: Construct): void {
  acknowledge(
    securityGroup,
    'EC23',
    "The rule allows only the network's own addresses, which the check cannot resolve.",
  );
}
