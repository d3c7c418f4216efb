/** Findings of cdk-nag that stay, each with its reason. Every one names the exact finding: any other fails the synthesis. */
import { Validations } from 'aws-cdk-lib';
import type { TaskDefinition } from 'aws-cdk-lib/aws-ecs';
import type { Construct, IConstruct } from 'constructs';

const OWN_ARN = 'arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>';

const acknowledge = (scope: IConstruct, id: string, reason: string) =>
  Validations.of(scope).acknowledge({ id: `AwsSolutions-${id}`, reason });

/** What every task of ours needs: its part of the bucket, and what ECS needs to start it. */
export function acknowledgeTask(taskDefinition: TaskDefinition, deployment: string): void {
  const bucket = `${deployment}-storage:ExportsOutputFnGetAttArtifacts82DD59A1Arn3B515032`;
  acknowledge(
    taskDefinition,
    `IAM5[Resource::${bucket}/${deployment}/*]`,
    'A task reads, a worker writes all objects below its prefix, whose names are hashes that nobody knows before.',
  );
  acknowledge(
    taskDefinition,
    'ECS2',
    'The plain variables are names, addresses and numbers; all secrets come from Secrets Manager.',
  );
  acknowledgeRegistry(taskDefinition);
}

/** How an image built by CDK is pulled. */
function acknowledgeRegistry(taskDefinition: TaskDefinition): void {
  acknowledge(
    taskDefinition,
    'IAM5[Resource::*]',
    'ecr:GetAuthorizationToken, which signs in to the registry, has no resource.',
  );
}

/** A GPU worker's protection of itself. */
export function acknowledgeProtection(taskDefinition: TaskDefinition, cluster: string): void {
  acknowledge(
    taskDefinition,
    `IAM5[Resource::${OWN_ARN}:task/<${cluster}>/*]`,
    "A task protects itself by its id, which ECS makes up; the cluster has this deployment's workers only.",
  );
}

/** What ECS and its agent need to run managed instances: CDK's own roles for it. */
export function acknowledgeManagedInstances(scope: Construct): void {
  acknowledge(scope, 'IAM5[Resource::*]', 'ecs:DiscoverPollEndpoint, by which the agent finds ECS, has no resource.');
  acknowledge(
    scope,
    `IAM5[Resource::${OWN_ARN}:container-instance/*]`,
    'The agent speaks for its instance by an id that ECS makes up.',
  );
  acknowledge(
    scope,
    'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedInstances]',
    'ECS launches and ends instances with the policy that AWS keeps for it.',
  );
}

/** What our own instances need to be a cluster's. */
export function acknowledgeAutoScalingGroup(scope: Construct): void {
  acknowledge(
    scope,
    'IAM5[Action::ecs:Submit*]',
    'CDK: the agent reports the states of tasks, containers and attachments to its own cluster.',
  );
  acknowledge(
    scope,
    'IAM5[Resource::*]',
    'CDK: ecs:DiscoverPollEndpoint and ecr:GetAuthorizationToken have no resource; the rest is held to the cluster.',
  );
  acknowledge(
    scope,
    'AS3',
    'Instances come and go with the demand, which the dashboard shows; nobody wants a message of each.',
  );
  acknowledge(scope, 'EC26', 'The disks are encrypted, in the launch template, which the check cannot follow.');
}

/** What is reached from the internet, on purpose. */
export function acknowledgeOpenDoor(securityGroup: Construct): void {
  acknowledge(
    securityGroup,
    'EC23',
    'The pages are for people anywhere: the load balancer hands on nobody who has not signed in.',
  );
}

/** A rule whose address range is the network's own. */
export function acknowledgeOwnRange(securityGroup: Construct): void {
  acknowledge(
    securityGroup,
    'EC23',
    "The rule lets in the network's own addresses only, which the check cannot resolve.",
  );
}
