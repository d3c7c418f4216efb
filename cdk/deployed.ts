/** What is deployed: the stacks of a deployment, and the versions of its workers. */
import {
  AutoScalingClient,
  DescribeAutoScalingGroupsCommand,
  SetInstanceProtectionCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CloudFormationClient,
  DeleteStackCommand,
  DescribeStackResourcesCommand,
  paginateDescribeStacks,
  waitUntilStackDeleteComplete,
  type Stack,
} from '@aws-sdk/client-cloudformation';
import { DescribeServicesCommand, ECSClient } from '@aws-sdk/client-ecs';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { InputError } from '../data/errors.ts';
import { DEPLOYMENT_TAG } from './budget.ts';
import { inRegion, type Target } from './target.ts';
import { CLUSTER_OUTPUT, stackNameOf, STOPPED_OUTPUT, VERSION_OUTPUT } from './versions.ts';

/** A stack of a deployment. */
export interface DeployedStack {
  name: string;
  created: Date;
  outputs: Record<string, string>;
}

/** A version of the workers, with its stacks. */
export interface DeployedVersion {
  id: string;
  stacks: string[];
  /**
   * `stopped`: it is deployed with `temporal.stopped`, and its runs may be paused. `drained`: all its runs have ended, and its control
   * worker has stopped its service.
   */
  state: 'current' | 'stopped' | 'draining' | 'drained';
}

const DELETE_SECONDS = 3600;

/** @throws InputError when the credentials are missing or rejected, or belong to another account than the configuration names */
export async function checkAccount(target: Target): Promise<void> {
  const identity = await new STSClient(inRegion(target))
    .send(new GetCallerIdentityCommand({}))
    .catch((error: Error) => {
      throw new InputError(
        `AWS does not accept the credentials (${error.message}); sign in, or set AWS_PROFILE and AWS_REGION.`,
      );
    });
  if (target.account === undefined || identity.Account === target.account) return;
  throw new InputError(
    `The AWS credentials are those of account ${identity.Account}, but "account" of the deployment is ${target.account}: use its credentials.`,
  );
}

/** The stacks that carry the deployment's tag, newest first. A stack is newer than those that it uses. */
export async function deployedStacks(target: Target): Promise<DeployedStack[]> {
  const client = new CloudFormationClient(inRegion(target));
  const found: Stack[] = [];
  for await (const { Stacks = [] } of paginateDescribeStacks({ client }, {})) found.push(...Stacks);
  return found
    .filter(({ Tags = [] }) => Tags.some(({ Key, Value }) => Key === DEPLOYMENT_TAG && Value === target.name))
    .map(({ StackName, CreationTime, Outputs = [] }) => ({
      name: StackName!,
      created: CreationTime!,
      outputs: Object.fromEntries(Outputs.map(({ OutputKey, OutputValue }) => [OutputKey!, OutputValue!])),
    }))
    .sort((a, b) => b.created.getTime() - a.created.getTime());
}

/** The versions in these stacks. The shared cluster's stack names the current one. */
export async function deployedVersions(target: Target, stacks: DeployedStack[]): Promise<DeployedVersion[]> {
  const shared = stacks.find(({ outputs }) => outputs[CLUSTER_OUTPUT] !== undefined);
  const byId = new Map<string, DeployedStack[]>();
  for (const stack of stacks) {
    const id = stack.outputs[VERSION_OUTPUT];
    if (id !== undefined && stack !== shared) byId.set(id, [...(byId.get(id) ?? []), stack]);
  }
  const client = new ECSClient(inRegion(target));
  const stateOf = async (id: string, own: DeployedStack[]): Promise<DeployedVersion['state']> => {
    // Its control worker does not run either, so the count of the service does not tell it from a drained version.
    if (own.some(({ outputs }) => outputs[STOPPED_OUTPUT] !== undefined)) return 'stopped';
    if (id === shared?.outputs[VERSION_OUTPUT]) return 'current';
    const request = { cluster: shared?.outputs[CLUSTER_OUTPUT], services: [stackNameOf('control', { id })] };
    const { services = [] } = await client.send(new DescribeServicesCommand(request));
    return services[0]?.desiredCount === 0 ? 'drained' : 'draining';
  };
  return Promise.all(
    [...byId].map(async ([id, own]) => ({ id, stacks: own.map(({ name }) => name), state: await stateOf(id, own) })),
  );
}

/** The ids of the resources of a type in a stack. */
export async function resourcesOf(target: Target, stack: string, type: string): Promise<string[]> {
  const client = new CloudFormationClient(inRegion(target));
  const { StackResources = [] } = await client.send(new DescribeStackResourcesCommand({ StackName: stack }));
  return StackResources.filter(({ ResourceType }) => ResourceType === type).map(
    ({ PhysicalResourceId }) => PhysicalResourceId!,
  );
}

/**
 * Deletes a stack and waits until it is deleted. CloudFormation waits for the instances of an Auto Scaling group to end, which those that
 * are protected from scale-in never do.
 */
export async function deleteStack(target: Target, name: string): Promise<void> {
  const client = new CloudFormationClient(inRegion(target));
  for (const group of await resourcesOf(target, name, 'AWS::AutoScaling::AutoScalingGroup'))
    await removeProtection(target, group);
  await client.send(new DeleteStackCommand({ StackName: name }));
  await waitUntilStackDeleteComplete({ client, maxWaitTime: DELETE_SECONDS }, { StackName: name });
}

async function removeProtection(target: Target, AutoScalingGroupName: string): Promise<void> {
  const client = new AutoScalingClient(inRegion(target));
  // First those to come, so that none is missed.
  await client.send(
    new UpdateAutoScalingGroupCommand({ AutoScalingGroupName, NewInstancesProtectedFromScaleIn: false }),
  );
  const { AutoScalingGroups: [group] = [] } = await client.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [AutoScalingGroupName] }),
  );
  const InstanceIds = (group?.Instances ?? [])
    .filter(({ ProtectedFromScaleIn }) => ProtectedFromScaleIn)
    .map(({ InstanceId }) => InstanceId!);
  if (InstanceIds.length === 0) return;
  await client.send(
    new SetInstanceProtectionCommand({ AutoScalingGroupName, InstanceIds, ProtectedFromScaleIn: false }),
  );
}
