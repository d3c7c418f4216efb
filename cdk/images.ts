/** The workers' images: built from this checkout, or named in the configuration. */
import { fileURLToPath } from 'node:url';
import { IgnoreMode } from 'aws-cdk-lib';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import { ContainerImage } from 'aws-cdk-lib/aws-ecs';
import type { DeployConfig } from '../config/deployment.ts';

export type Role = 'control' | 'gpu';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @returns the image of a role for the current version */
export function imageOf(role: Role, { images }: DeployConfig): ContainerImage {
  const named = images[role];
  if (named !== undefined) return ContainerImage.fromRegistry(named);
  return ContainerImage.fromAsset(root, {
    file: 'cdk/images/Dockerfile',
    target: role,
    platform: Platform.LINUX_AMD64,
    ignoreMode: IgnoreMode.DOCKER,
    assetName: `selm-${role}`,
  });
}
