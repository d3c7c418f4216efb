/** All variants of a deployment, and their templates, synthesized without network, credentials or Docker. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { Stack } from 'aws-cdk-lib';
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
const registry = '111122223333.dkr.ecr.us-east-1.amazonaws.com/selm';

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
          { version, temporal: linked, gpu: { capacity }, network: { natGateways } },
        ];
      }),
    ),
  ),
);
VARIANTS['web pages, 1 NAT'] = { version, temporal: cloud, ui: true };
VARIANTS['everything'] = {
  version,
  temporal: cloud,
  gpu: { capacity: 'auto-scaling-group', instanceType: 'p5.48xlarge', capacityBlock: 'cr-0123' },
  vllm: { image: `${registry}@sha256:${'0'.repeat(64)}`, model: 'meta-llama/Meta-Llama-3-8B-Instruct' },
  draining: [{ version: '0.0.9', control: `${registry}:control`, gpu: `${registry}:gpu` }],
  secrets: { HF_TOKEN: 'hub-token' },
  otlpEndpoint: 'http://collector.internal:4318',
  budget: { monthlyUsd: 500, email: 'ops@example.com' },
  alarmEmail: 'ops@example.com',
  ui: publicUi,
  schedules: [
    { cron: '0 3 * * 1', run: { name: 'weekly', model: 'org/model', prompts: { train: 'org/data', heldOut: 100 } } },
  ],
};

export interface Resource {
  Type: string;
  Properties: Record<string, any>; // oxlint-disable-line typescript/no-explicit-any
  DeletionPolicy?: string;
}
export interface SynthesizedStack {
  name: string;
  template: { Resources: Record<string, Resource> };
}

/**
 * Synthesizes the templates of a deployment.
 * @param outdir folder for the templates. Default: a temporary folder, which is removed
 * @throws Error when cdk-nag has a finding that is not acknowledged
 */
export function synthesize(document: object, outdir?: string): SynthesizedStack[] {
  const folder = outdir ?? mkdtempSync(join(tmpdir(), 'selm-cdk-'));
  try {
    const app = createApp({ outdir: folder });
    buildDeployment(app, checkDeployConfig(document, 'test'));
    app.synth();
    const stacks = app.node.children.filter((child): child is Stack => child instanceof Stack);
    return stacks.map((stack) => ({ name: stack.stackName, template: Template.fromStack(stack).toJSON() as never }));
  } finally {
    if (outdir === undefined) rmSync(folder, { recursive: true });
  }
}

/** All resources of a type, in all stacks. */
export const resourcesOf = (stacks: SynthesizedStack[], type: string): Resource[] =>
  stacks.flatMap(({ template }) => Object.values(template.Resources).filter((resource) => resource.Type === type));

/** A stack's template without values that depend on the sources of the images. */
export const normalized = ({ template }: SynthesizedStack): string =>
  JSON.stringify(template, null, 1).replaceAll(/[0-9a-f]{64}/g, 'HASH');
