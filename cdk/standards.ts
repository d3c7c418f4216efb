/** An organization's tags and permissions boundary, for everything in a deployment. */
import { Tags, type App, type Stack } from 'aws-cdk-lib';
import { CfnService } from 'aws-cdk-lib/aws-ecs';
import { ManagedPolicy, PermissionsBoundary } from 'aws-cdk-lib/aws-iam';

/** Tags all resources, and the tasks that ECS starts for them: a budget by tag would miss the tasks' costs otherwise. */
export function tagAll(app: App, tags: Record<string, string>): void {
  for (const [key, value] of Object.entries(tags)) Tags.of(app).add(key, value);
  for (const construct of app.node.findAll()) {
    if (!(construct instanceof CfnService)) continue;
    construct.propagateTags = 'SERVICE';
    construct.enableEcsManagedTags = true;
  }
}

/** Sets the permissions boundary of all roles in `stacks`. */
export function limitRoles(stacks: Stack[], policyArn: string): void {
  for (const stack of stacks)
    PermissionsBoundary.of(stack).apply(ManagedPolicy.fromManagedPolicyArn(stack, 'PermissionsBoundary', policyArn));
}
