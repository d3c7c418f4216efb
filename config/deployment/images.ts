/** The section `images` of a deployment: images from a registry, in place of those that the deployment builds or takes from Docker Hub. */
import { z } from 'zod';
import { secretName } from './secret-name.ts';

const image = z.string().regex(/^[^\s/]+(\/[^\s/]+)*$/, 'expected an image, such as registry.example.com/selm:1.2.3');

export const imagesSchema = z.strictObject({
  control: image.optional().describe('Image of the control worker. Default: built from this checkout.'),
  gpu: image.optional().describe('Image of the GPU workers. Default: built from this checkout.'),
  temporalServer: image
    .optional()
    .describe(
      "Image of the self-hosted Temporal server. Default: Temporal's own, from Docker Hub; without a NAT gateway, " +
        'a copy of it in ECR, which Docker makes when you deploy.',
    ),
  temporalAdminTools: image
    .optional()
    .describe("Image of Temporal's tools, of the server's version. Default: as there."),
  credentialsSecret: secretName
    .optional()
    .describe(
      'Name of the secret in Secrets Manager with `username` and `password` of the registry of these images. ' +
        'Images in ECR need none: the tasks get the permission to pull them.',
    ),
});

export type ImagesConfig = z.infer<typeof imagesSchema>;

/** Where an image is in ECR. */
export interface EcrRepository {
  account: string;
  region: string;
  name: string;
}

// The hosts of ECR: by IPv4, by IPv4 and IPv6 (on.aws), and their FIPS endpoints.
const ECR = /^(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)\/([^:@]+)/;

/** The repository of an image in ECR, of any account and region; undefined for an image of another registry. */
export function ecrRepositoryOf(address: string): EcrRepository | undefined {
  const [, account, region, name] = ECR.exec(address) ?? [];
  return name === undefined ? undefined : { account, region, name };
}

/** Why an image cannot be pulled; undefined if it can. @param natGateways of the VPC; undefined for an existing VPC */
export function imageProblem(images: ImagesConfig, natGateways: number | undefined): string | undefined {
  const { credentialsSecret: _, ...addresses } = images;
  const unreachable = Object.entries(addresses).find(([, address]) => ecrRepositoryOf(address) === undefined);
  if (natGateways !== 0 || unreachable === undefined) return undefined;
  const [key, address] = unreachable;
  return (
    `images.${key}: ${address} is not in ECR, and without a NAT gateway (network.natGateways: 0) tasks pull images ` +
    'from ECR only: copy it to a repository in ECR and name that.'
  );
}
