/** Images in the templates: each can be pulled by the task that runs it, and the pins of the Dockerfile fit together. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkDeployConfig } from '../../config/load-deployment.ts';
import { refresh } from '../../cdk/images/refresh.ts';
import { ADMIN_TOOLS_IMAGE, SERVER_IMAGE } from '../../cdk/temporal-images.ts';
import { temporaryFolder } from '../temporary.ts';
import { bases, readImage } from './image.ts';
import { resourcesOf, synthesize, VARIANTS, type SynthesizedStack } from './variants.ts';

/** Account, region and name of an image's repository in ECR, each a text or a pseudo parameter of CloudFormation. */
const ECR =
  /^(\d{12}|\$\{AWS::AccountId\})\.dkr\.ecr\.([\w-]+|\$\{AWS::Region\})\.(?:amazonaws\.com|\$\{AWS::URLSuffix\})\/((?:\$\{[^}]*\}|[^:@])+)/;
const PULL = ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'];

interface Statement {
  Action: string | string[];
  Resource: unknown;
}

/** A value of a template as one text, with `${…}` for references. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[name, of]] = Object.entries(value as object) as [string, unknown][];
  if (name === 'Ref') return `\${${of as string}}`;
  if (name === 'Fn::Sub') return of as string;
  if (name !== 'Fn::Join') return `${name} ${JSON.stringify(of)}`;
  const [separator, parts] = of as [string, unknown[]];
  return parts.map(textOf).join(separator);
}

/** A stack's assets, as CDK's command publishes them. */
interface Manifest {
  dockerImages?: Record<string, { source: { directory: string; dockerFile?: string } }>;
}

/** The containers of all task definitions, with what their execution role may do. */
function containersOf(stacks: SynthesizedStack[]) {
  return stacks.flatMap((stack) =>
    resourcesOf([stack], 'AWS::ECS::TaskDefinition').flatMap(({ Properties }) => {
      const role = Properties['ExecutionRoleArn']?.['Fn::GetAtt'][0] as string | undefined;
      const statements = resourcesOf([stack], 'AWS::IAM::Policy')
        .filter(({ Properties: policy }) => JSON.stringify(policy['Roles']).includes(`"${role}"`))
        .flatMap(({ Properties: policy }) => policy['PolicyDocument'].Statement as Statement[]);
      const containers = Properties['ContainerDefinitions'] as { Image: unknown; RepositoryCredentials?: object }[];
      return containers.map((container) => ({ ...container, image: textOf(container.Image), statements }));
    }),
  );
}

const allows = ({ Action }: Statement, action: string) => [Action].flat().includes(action);

/** Images in ECR that their tasks cannot pull. */
function withoutPermission(stacks: SynthesizedStack[]): string[] {
  return containersOf(stacks).flatMap(({ image, statements }) => {
    const [, account, region, name] = ECR.exec(image) ?? [];
    if (name === undefined) return [];
    const arn = `arn:\${AWS::Partition}:ecr:${region}:${account}:repository/${name}`;
    const ofRepository = statements.filter(({ Resource }) => [Resource].flat().some((one) => textOf(one) === arn));
    const mayPull =
      PULL.every((action) => ofRepository.some((statement) => allows(statement, action))) &&
      statements.some((one) => one.Resource === '*' && allows(one, 'ecr:GetAuthorizationToken'));
    return mayPull ? [] : [image];
  });
}

const inEcr = (account: string, region: string, name: string) => `${account}.dkr.ecr.${region}.amazonaws.com/${name}`;

describe.each(Object.entries(VARIANTS))('%s', (_, document) => {
  const stacks = synthesize(document);

  it('every image in ECR can be pulled by the task that runs it', () => {
    expect(containersOf(stacks).some(({ image }) => ECR.test(image))).toBe(true);
    expect(withoutPermission(stacks)).toEqual([]);
  });

  it('every image has a route: without a NAT gateway all are in ECR', () => {
    const { temporal, network } = checkDeployConfig(document, 'test');
    const elsewhere = containersOf(stacks).filter(({ image }) => !ECR.test(image));
    expect(elsewhere.length > 0).toBe(temporal.kind === 'self-hosted' && network.natGateways !== 0);
  });
});

it("what tasks mount are volumes of their images, and the worker's folder belongs to its user", () => {
  // ECS gives an empty volume the owner of the image's folder only where it is a VOLUME (bind-mounts in the ECS developer guide).
  const mounted = resourcesOf(synthesize(VARIANTS['web pages, 1 NAT']), 'AWS::ECS::TaskDefinition').flatMap(
    ({ Properties }) =>
      (Properties['ContainerDefinitions'] as { MountPoints?: { ContainerPath: string }[] }[]).flatMap(
        ({ MountPoints = [] }) => MountPoints.map(({ ContainerPath }) => ContainerPath),
      ),
  );
  for (const target of ['control', 'gpu']) {
    const { lines, user } = readImage(target);
    const at = (start: string) => lines.findIndex((line) => line.trim().startsWith(start));
    const volumes = JSON.parse(lines[at('VOLUME ')].replace('VOLUME ', '')) as string[];
    expect(new Set(mounted)).toEqual(new Set(volumes));
    expect(user).toBe('10001:10001');
    expect(lines.join('\n')).toContain('useradd --uid 10001');
    // What is done to a folder after VOLUME is lost.
    const owned = at('&& mkdir -p /var/lib/selm && chown selm:selm /var/lib/selm');
    expect([owned > 0, owned < at('VOLUME ')]).toEqual([true, true]);
  }
});

it('images in ECR can be pulled from other accounts and regions, and through a pull-through cache', () => {
  const images = {
    control: inEcr('111122223333', 'us-east-1', 'selm/control:1'),
    gpu: inEcr('444455556666', 'eu-central-1', `ghcr/acme/selm@sha256:${'0'.repeat(64)}`),
    temporalServer: inEcr('111122223333', 'us-east-1', 'docker-hub/temporalio/server:1.31.2'),
    temporalAdminTools: inEcr('111122223333', 'us-east-1', 'docker-hub/temporalio/admin-tools:1.31.2'),
  };
  const stacks = synthesize({ images, ui: true, network: { natGateways: 0 } });
  expect(withoutPermission(stacks)).toEqual([]);
  const containers = containersOf(stacks);
  expect(new Set(containers.map(({ image }) => image))).toEqual(new Set(Object.values(images)));
  for (const { statements } of containers) {
    const imports = statements.filter((one) => allows(one, 'ecr:BatchImportUpstreamImage'));
    expect(imports.length).toBeGreaterThan(0);
    for (const { Resource } of imports) expect(JSON.stringify(Resource)).toContain(':repository/');
  }
});

it('images of a private registry are pulled with its credentials, those in ECR and on Docker Hub without', () => {
  const control = 'registry.example.com/selm/control:1';
  const gpu = inEcr('111122223333', 'us-east-1', 'selm:1');
  const containers = containersOf(synthesize({ images: { control, gpu, credentialsSecret: 'registry' } }));
  for (const { image, RepositoryCredentials, statements } of containers) {
    const isPrivate = image === control;
    expect(RepositoryCredentials).toEqual(isPrivate ? { CredentialsParameter: 'registry' } : undefined);
    const reads = statements.some(
      (one) =>
        allows(one, 'secretsmanager:GetSecretValue') && JSON.stringify(one.Resource).includes(':secret:registry-'),
    );
    expect(reads).toBe(isPrivate);
  }
  expect(containers.filter(({ RepositoryCredentials }) => RepositoryCredentials).length).toBe(1);
});

it('an image that no task can reach is refused', () => {
  const images = { gpu: 'ghcr.io/acme/selm:1' };
  expect(() => synthesize({ images, network: { natGateways: 0 } })).toThrow(
    'images.gpu: ghcr.io/acme/selm:1 is not in ECR, and without a NAT gateway (network.natGateways: 0) tasks pull images from ' +
      'ECR only: copy it to a repository in ECR and name that.',
  );
});

it('what Docker builds from has the Dockerfile and all that it copies', () => {
  const out = join(temporaryFolder(), 'assembly');
  synthesize({ network: { natGateways: 0 } }, out, { staged: true });
  const manifests = readdirSync(out).filter((name) => name.endsWith('.assets.json'));
  const sources = manifests.flatMap((name) => {
    const { dockerImages } = JSON.parse(readFileSync(join(out, name), 'utf8')) as Manifest;
    return Object.values(dockerImages ?? {}).map(({ source }) => source);
  });
  // Two workers, and the copies of two images.
  expect(sources.length).toBe(4);
  for (const { directory, dockerFile = 'Dockerfile' } of sources) {
    const dockerfile = readFileSync(join(out, directory, dockerFile), 'utf8');
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files]) => files.split(' '));
    for (const file of copied) expect(existsSync(join(out, directory, file)), `${directory}/${file}`).toBe(true);
  }
});

const lock = readFileSync(new URL('../../python/requirements-cuda.lock', import.meta.url), 'utf8');

it('the GPU image is vLLM of the version in the lock file', () => {
  const [, version] = /^vllm==(.+)$/m.exec(lock)!;
  expect(bases).toContainEqual(
    expect.stringMatching(new RegExp(`^vllm/vllm-openai:v${version.replaceAll('.', '\\.')}(@|$)`)),
  );
});

const withoutDigests = (text: string) => text.replaceAll(/@sha256:[0-9a-f]{64}/g, '');

it('images:refresh pins every base image and those of the Temporal server', () => {
  const digest = `sha256:${'1'.repeat(64)}`;
  const pinned: string[] = [];
  const digestOf = (image: string) => {
    pinned.push(image);
    return digest;
  };
  for (const file of ['images/Dockerfile', 'temporal-images.ts']) {
    const text = readFileSync(new URL(`../../cdk/${file}`, import.meta.url), 'utf8');
    const refreshed = refresh(text, digestOf);
    // Nothing but digests has changed.
    expect(withoutDigests(refreshed)).toBe(withoutDigests(text));
    expect(refresh(refreshed, digestOf)).toBe(refreshed);
  }
  const names = [...bases, SERVER_IMAGE, ADMIN_TOOLS_IMAGE].map((image) => image.split('@')[0]);
  expect(new Set(pinned)).toEqual(new Set(names));
});
