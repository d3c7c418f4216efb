/** The images of the containers: given in the configuration, built from this checkout, or Temporal's own. */
import { fileURLToPath } from 'node:url';
import { IgnoreMode, Stack } from 'aws-cdk-lib';
import { Repository } from 'aws-cdk-lib/aws-ecr';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import { ContainerImage, type ContainerDefinition, type ContainerImageConfig } from 'aws-cdk-lib/aws-ecs';
import { Grant } from 'aws-cdk-lib/aws-iam';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { DeployConfig } from '../config/deployment.ts';
import { ecrRepositoryOf } from '../config/deployment/images.ts';
import { ADMIN_TOOLS_IMAGE, SERVER_IMAGE } from './temporal-images.ts';

/** The two kinds of workers, and the targets of the Dockerfile. */
export type Role = 'control' | 'gpu';

const root = fileURLToPath(new URL('..', import.meta.url));
const mirror = fileURLToPath(new URL('images/mirror', import.meta.url));

/** The current version's image for a role. */
export function imageOf(role: Role, config: DeployConfig): ContainerImage {
  const named = config.images[role];
  if (named !== undefined) return namedImage(named, config);
  return ContainerImage.fromAsset(root, {
    file: 'cdk/images/Dockerfile',
    target: role,
    platform: Platform.LINUX_AMD64,
    ignoreMode: IgnoreMode.DOCKER,
    assetName: `selm-${role}`,
  });
}

/** Image of the self-hosted Temporal server. */
export const serverImage = (config: DeployConfig): ContainerImage =>
  temporalImage(config, config.images.temporalServer, SERVER_IMAGE, 'temporal-server');

/** Image with temporal-sql-tool and the `temporal` command. */
export const adminToolsImage = (config: DeployConfig): ContainerImage =>
  temporalImage(config, config.images.temporalAdminTools, ADMIN_TOOLS_IMAGE, 'temporal-admin-tools');

function temporalImage(config: DeployConfig, named: string | undefined, published: string, assetName: string) {
  if (named !== undefined) return namedImage(named, config);
  if (config.network.natGateways !== 0) return ContainerImage.fromRegistry(published);
  // Without a NAT gateway there is no way to Docker Hub: Docker pulls the image when the stack is deployed, and CDK pushes it to ECR.
  return ContainerImage.fromAsset(mirror, {
    buildArgs: { IMAGE: published },
    platform: Platform.LINUX_AMD64,
    assetName,
  });
}

/** An image by an address that the configuration gives. A task may pull it if it is in ECR, or with the configuration's credentials. */
const namedImage = (address: string, config: DeployConfig): ContainerImage =>
  new NamedImage(address, config.images.credentialsSecret);

class NamedImage extends ContainerImage {
  private readonly address: string;
  private readonly credentialsSecret: string | undefined;

  constructor(address: string, credentialsSecret: string | undefined) {
    super();
    this.address = address;
    this.credentialsSecret = credentialsSecret;
  }

  bind(scope: Construct, { taskDefinition }: ContainerDefinition): ContainerImageConfig {
    const imageName = this.address;
    const repository = ecrRepositoryOf(imageName);
    if (repository !== undefined) {
      const { name, ...place } = repository;
      const arn = Stack.of(scope).formatArn({ ...place, service: 'ecr', resource: 'repository', resourceName: name });
      const role = taskDefinition.obtainExecutionRole();
      Repository.fromRepositoryAttributes(scope, 'Repository', { repositoryArn: arn, repositoryName: name }).grantPull(
        role,
      );
      // The first pull through a pull-through cache creates the repository and imports the image with the permissions of who pulls.
      const actions = ['ecr:BatchImportUpstreamImage', 'ecr:CreateRepository'];
      Grant.addToPrincipal({ grantee: role, actions, resourceArns: [arn] });
      return { imageName };
    }
    if (this.credentialsSecret === undefined) return { imageName };
    const secret = Secret.fromSecretNameV2(scope, 'Registry', this.credentialsSecret);
    secret.grantRead(taskDefinition.obtainExecutionRole());
    return { imageName, repositoryCredentials: { credentialsParameter: secret.secretName } };
  }
}
