/** The size of task definitions, which ECS limits. CloudFormation would report it only in the middle of a deployment. */
import { Stack, type App } from 'aws-cdk-lib';
import { CfnTaskDefinition } from 'aws-cdk-lib/aws-ecs';
import { InputError } from '../data/errors.ts';

/** ECS's limit. */
const MAX_BYTES = 64 * 1024;

/** @throws InputError when a task definition is too large for ECS */
export function checkTaskSizes(app: App): void {
  for (const construct of app.node.findAll()) {
    if (!(construct instanceof CfnTaskDefinition)) continue;
    const stack = Stack.of(construct);
    const { containerDefinitions } = construct;
    const bytes = Buffer.byteLength(JSON.stringify(stack.resolve(containerDefinitions)));
    if (bytes <= MAX_BYTES) continue;
    throw new InputError(
      `A task definition of ${stack.stackName} would have ${Math.ceil(bytes / 1024)} KiB, but ECS allows 64: shorten environment, ` +
        'caBundle (only the certificates that are needed), temporal.dynamicConfig or schedules (selm schedule create makes others).',
    );
  }
}
