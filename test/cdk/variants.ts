/** All variants of a deployment, and their templates, synthesized without network, credentials or Docker. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { Stack } from 'aws-cdk-lib';
import { DISABLE_ASSET_STAGING_CONTEXT } from 'aws-cdk-lib/cx-api';
import { buildDeployment, createApp } from '../../cdk/build.ts';
import { checkDeployConfig } from '../../config/load-deployment.ts';

export const cloud = {
  kind: 'cloud',
  address: 'us-east-1.aws.api.temporal.io:7233',
  namespace: 'selm.a1b2c',
  apiKeySecret: 'temporal-api-key',
};
const selfHosted = { kind: 'self-hosted' };
const privateLinkService = 'com.amazonaws.vpce.us-east-1.vpce-svc-0123';

/** Settings of public web pages with sign-in. */
export const publicUi = {
  hostname: 'selm.example.com',
  certificateArn: 'arn:aws:acm:us-east-1:111122223333:certificate/0123',
  oidc: {
    issuer: 'https://login.example.com',
    authorizationEndpoint: 'https://login.example.com/authorize',
    tokenEndpoint: 'https://login.example.com/token',
    userInfoEndpoint: 'https://login.example.com/userinfo',
    clientId: 'selm',
    clientSecretArn: 'arn:aws:secretsmanager:us-east-1:111122223333:secret:selm-oidc-AbCdEf',
  },
};

/** A constant version, so that a release does not change the snapshots. */
const version = '1.2.3';

/** All combinations of server, capacity and egress; private web pages; and a variant with all optional settings. */
export const VARIANTS: Record<string, object> = Object.fromEntries(
  [cloud, selfHosted].flatMap((temporal) =>
    ['managed-instances', 'auto-scaling-group'].flatMap((capacity) =>
      [1, 0].map((natGateways) => {
        const linked = temporal === cloud && natGateways === 0 ? { ...cloud, privateLinkService } : temporal;
        return [
          `${temporal.kind}, ${capacity}, ${natGateways} NAT`,
          { version, temporal: linked, gpu: { pools: { single: { capacity } } }, network: { natGateways } },
        ];
      }),
    ),
  ),
);
VARIANTS['self-hosted with TLS, 1 NAT'] = {
  version,
  temporal: { ...selfHosted, tls: { hostname: 'temporal.example.com', certificateArn: publicUi.certificateArn } },
};
VARIANTS['web pages, 1 NAT'] = { version, temporal: cloud, ui: true };
VARIANTS['node, 1 NAT'] = { version, temporal: cloud, gpu: { pools: { node: {} } } };
VARIANTS['everything'] = {
  version,
  temporal: cloud,
  network: { availabilityZones: ['us-east-1a', 'us-east-1b'] },
  gpu: {
    pools: {
      single: { capacity: 'auto-scaling-group', instanceType: 'g6e.xlarge', spot: false },
      node: { instanceType: 'p5.48xlarge', capacityBlock: 'cr-0123', availabilityZones: ['us-east-1a'] },
    },
  },
  secrets: { HF_TOKEN: 'hub-token', SELM_CODEC_KEY: 'codec-key' },
  environment: { SELM_DATA_CONVERTER: '/app/dist/examples/encryption/codec.mjs', NOTES: 'of the workers' },
  otlpEndpoint: 'http://collector.internal:4318',
  budget: { monthlyUsd: 500, email: 'ops@example.com' },
  alarmEmail: 'ops@example.com',
  ui: publicUi,
  schedules: [
    { cron: '0 3 * * 1', run: { name: 'weekly', model: 'org/model', prompts: { train: 'org/data', heldOut: 100 } } },
  ],
};

/** Settings of an existing VPC. */
export const existingVpc = {
  id: 'vpc-0123abcd',
  cidr: '10.20.0.0/16',
  availabilityZones: ['eu-central-1a', 'eu-central-1b'],
  privateSubnets: ['subnet-0123abca', 'subnet-0123abcb'],
  publicSubnets: ['subnet-0123abcc', 'subnet-0123abcd'],
};
/** What an organization's rules require. */
const rules = {
  account: '111122223333',
  region: 'eu-central-1',
  kmsKeyArn: 'arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef',
  permissionsBoundaryArn: 'arn:aws:iam::111122223333:policy/boundary',
  tags: { 'cost-center': '4711', owner: 'alignment' },
  exec: true,
};
const connectivity = {
  proxy: { https: 'http://proxy.example.com:3128', noProxy: ['.example.com'] },
  caBundle: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
};
const endpoints = { vpc: { ...existingVpc, routeTables: ['rtb-0123abca', 'rtb-0123abcb'] }, endpoints: true };
VARIANTS["an organization's account, existing VPC and bucket"] = {
  ...rules,
  ...connectivity,
  version,
  network: endpoints,
  storage: { bucket: 'company-artifacts' },
  ui: {
    ...publicUi,
    oidc: {
      ...publicUi.oidc,
      scope: 'openid email groups',
      name: 'email',
      groups: { values: ['alignment', 'reviewers'], labelers: ['raters'], operators: ['on-call'] },
    },
  },
};
VARIANTS["an organization's account, auto-scaling-group, 0 NAT"] = {
  ...rules,
  version,
  network: { natGateways: 0, availabilityZones: ['eu-central-1b', 'eu-central-1c'] },
  temporal: { ...cloud, privateLinkService },
  gpu: { pools: { single: { capacity: 'auto-scaling-group' } } },
  ui: true,
};
VARIANTS['existing VPC and bucket without a key'] = {
  version,
  temporal: cloud,
  network: { vpc: existingVpc },
  storage: { bucket: 'company-artifacts' },
};

export interface Resource {
  Type: string;
  DependsOn?: string[];
  Properties: Record<string, any>; // oxlint-disable-line typescript/no-explicit-any
  DeletionPolicy?: string;
}
export interface SynthesizedStack {
  name: string;
  template: { Resources: Record<string, Resource>; Outputs?: Record<string, { Value: unknown; Description: string }> };
}

/**
 * Synthesizes the templates of a deployment.
 * @param outdir folder for the templates. Default: a temporary folder, which is removed
 * @param options.staged whether the images' sources are copied beside the templates, which takes a large part of the time; the hashes of the
 *   sources in the templates are the same without
 * @throws Error when cdk-nag has a finding that is not acknowledged
 */
export function synthesize(document: object, outdir?: string, { staged = false } = {}): SynthesizedStack[] {
  const folder = outdir ?? mkdtempSync(join(tmpdir(), 'selm-cdk-'));
  try {
    const app = createApp({ outdir: folder });
    if (!staged) app.node.setContext(DISABLE_ASSET_STAGING_CONTEXT, true);
    buildDeployment(app, checkDeployConfig(document, 'test'));
    app.synth();
    const stacks = app.node.children.filter((child): child is Stack => child instanceof Stack);
    // The name without the version, which names of the workers' stacks contain.
    return stacks.map((stack) => ({ name: stack.node.id, template: Template.fromStack(stack).toJSON() as never }));
  } finally {
    if (outdir === undefined) rmSync(folder, { recursive: true });
  }
}

/** All resources of a type, in all stacks. */
export const resourcesOf = (stacks: SynthesizedStack[], type: string): Resource[] =>
  stacks.flatMap(({ template }) =>
    Object.values(template.Resources ?? {}).filter((resource) => resource.Type === type),
  );

/** A stack's template without values that depend on the sources of the images. */
export const normalized = ({ template }: SynthesizedStack): string =>
  JSON.stringify(template, null, 1)
    .replaceAll(/[0-9a-f]{64}/g, 'HASH')
    .replaceAll(/(1[.-]2[.-]3)-[0-9a-f]{8}/g, '$1-HASH');
