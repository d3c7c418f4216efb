/** The workers' images: given in the configuration, or built from this checkout. */
import { fileURLToPath } from 'node:url';
import { IgnoreMode } from 'aws-cdk-lib';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import { ContainerImage } from 'aws-cdk-lib/aws-ecs';
import type { DeployConfig } from '../config/deployment.ts';

/** The two kinds of workers, and the targets of the Dockerfile. */
export type Role = 'control' | 'gpu';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The current version's image for a role. */
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
