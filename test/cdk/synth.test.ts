/** The templates: every variant synthesizes without cdk-nag findings, is valid, and has the required properties. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildDeployment, createApp } from '../../cdk/build.ts';
import { stackNameOf, STOPPED_OUTPUT } from '../../cdk/versions.ts';
import { checkDeployConfig } from '../../config/load-deployment.ts';
import { temporaryFolder } from '../temporary.ts';
import { findCfnLint } from './cfn-lint.ts';
import {
  cloud,
  normalized,
  publicUi,
  resourcesOf,
  synthesize,
  VARIANTS,
  type Resource,
  type SynthesizedStack,
} from './variants.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();
const stacks: Record<string, SynthesizedStack[]> = {};
beforeAll(() => {
  // synthesize() throws for cdk-nag findings that are not acknowledged.
  for (const [name, document] of Object.entries(VARIANTS)) stacks[name] = synthesize(document, join(folder, name));
});

it('cfn-lint finds no error in any template', async () => {
  // Checks each distinct template once.
  const templates = new Map<string, string>();
  for (const [name, all] of Object.entries(stacks)) {
    // CDK does not deploy stacks without resources, such as that of an existing bucket.
    for (const stack of all.filter(({ template }) => template.Resources))
      templates.set(normalized(stack), join(folder, name, `${stack.name}.template.json`));
  }
  expect(templates.size).toBeGreaterThan(10);
  // W3005: redundant dependencies, which CDK adds. W3010: zones, which the configuration names. W6001: outputs that show another stack's.
  const ignored = ['--ignore-checks', 'W3005', 'W3010', 'W6001'];
  const { status, stdout } = spawnSync(await findCfnLint(), [...ignored, '--', ...templates.values()], {
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

it('the CDK command synthesizes by cdk.json alone, without credentials, network or Docker', () => {
  const env = {
    PATH: process.env['PATH']!,
    HOME: folder,
    AWS_EC2_METADATA_DISABLED: 'true',
    DOCKER_HOST: 'tcp://127.0.0.1:1',
    CDK_DISABLE_CLI_TELEMETRY: 'true',
  };
  const out = join(folder, 'cli');
  const command = [join(root, 'node_modules/aws-cdk/bin/cdk'), 'synth', '--quiet', '--no-notices', '--output', out];
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: root, env, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  expect(readdirSync(out).filter((file) => file.endsWith('.template.json')).length).toBe(7);
  // Its version is that of a process without CDK's command, such as selm deploy diff.
  const { id } = buildDeployment(createApp({ outdir: join(folder, 'own') }), checkDeployConfig({}, 'test'));
  expect(readFileSync(join(out, 'manifest.json'), 'utf8')).toContain(
    `"stackName": "${stackNameOf('selm-gpu', { id })}"`,
  );
});

const defaults = 'self-hosted, managed-instances, 1 NAT';
const withPages = 'web pages, 1 NAT';

describe.each(Object.keys(VARIANTS))('%s', (name) => {
  const all = (type: string): Resource[] => resourcesOf(stacks[name], type);

  it('deploying again changes nothing', () => {
    expect(synthesize(VARIANTS[name])).toEqual(stacks[name]);
  });

  it('artifacts are encrypted, versioned, private, reached by TLS, and stay when the stack is deleted', () => {
    const artifacts = all('AWS::S3::Bucket').filter(({ Properties }) => Properties['VersioningConfiguration']);
    expect(artifacts.length).toBe('storage' in VARIANTS[name] ? 0 : 1);
    for (const { Properties } of artifacts) {
      expect(Properties['VersioningConfiguration']).toEqual({ Status: 'Enabled' });
      const [{ ServerSideEncryptionByDefault: encryption }] =
        Properties['BucketEncryption'].ServerSideEncryptionConfiguration;
      expect(encryption.SSEAlgorithm).toBe('aws:kms');
    }
    for (const bucket of all('AWS::S3::Bucket')) {
      expect(bucket.DeletionPolicy).toBe('Retain');
      expect(new Set(Object.values(bucket.Properties['PublicAccessBlockConfiguration']))).toEqual(new Set([true]));
    }
    for (const { Properties } of all('AWS::S3::BucketPolicy')) {
      const refused = Properties['PolicyDocument'].Statement.filter(
        ({ Effect }: { Effect: string }) => Effect === 'Deny',
      );
      expect(refused[0].Condition).toEqual({ Bool: { 'aws:SecureTransport': 'false' } });
    }
    for (const { Properties, DeletionPolicy } of all('AWS::RDS::DBCluster')) {
      expect(Properties).toMatchObject({
        StorageEncrypted: true,
        ServerlessV2ScalingConfiguration: { MinCapacity: 0 },
      });
      expect(DeletionPolicy).toBe('Snapshot');
    }
  });

  it('nothing comes in from outside, but browsers whose users sign in, and no task has a public address', () => {
    const rules = [
      ...all('AWS::EC2::SecurityGroup').flatMap(({ Properties }) => Properties['SecurityGroupIngress'] ?? []),
      ...all('AWS::EC2::SecurityGroupIngress').map(({ Properties }) => Properties),
    ];
    const isPublic = JSON.stringify(VARIANTS[name]).includes('oidc');
    const open = rules.filter(({ CidrIp, CidrIpv6 }) => CidrIp === '0.0.0.0/0' || CidrIpv6 !== undefined);
    expect(open.map(({ FromPort, ToPort }) => [FromPort, ToPort])).toEqual(isPublic ? [[443, 443]] : []);
    for (const { Properties } of all('AWS::ECS::Service')) {
      expect(Properties['NetworkConfiguration'].AwsvpcConfiguration.AssignPublicIp ?? 'DISABLED').toBe('DISABLED');
    }
    for (const { Properties } of all('AWS::EC2::Subnet')) expect(Properties['MapPublicIpOnLaunch']).toBe(false);
    for (const { Properties } of all('AWS::ElasticLoadBalancingV2::LoadBalancer')) {
      const pages = Properties['Type'] === 'application';
      expect(Properties['Scheme']).toBe(isPublic && pages ? 'internet-facing' : 'internal');
    }
    const listeners = all('AWS::ElasticLoadBalancingV2::Listener').filter(
      ({ Properties }) => Properties['Protocol'] !== 'TCP',
    );
    for (const { Properties } of isPublic ? listeners : []) {
      expect(Properties).toMatchObject({
        Port: 443,
        Protocol: 'HTTPS',
        SslPolicy: 'ELBSecurityPolicy-TLS13-1-2-2021-06',
      });
      expect(Properties['DefaultActions'].map(({ Type }: { Type: string }) => Type)).toEqual([
        'authenticate-oidc',
        'forward',
      ]);
      expect(Properties['DefaultActions'][0].AuthenticateOidcConfig.OnUnauthenticatedRequest ?? 'authenticate').toBe(
        'authenticate',
      );
    }
    // Only the default action: no rule bypasses the sign-in.
    expect(all('AWS::ElasticLoadBalancingV2::ListenerRule')).toEqual([]);
    const gateways = / 0 NAT$|existing VPC/.test(name) ? 0 : 1;
    expect(all('AWS::EC2::NatGateway').length).toBe(gateways);
  });

  it('workers touch only their prefix of the bucket, and no action is a wildcard that AWS does not need', () => {
    const policies = [...all('AWS::IAM::Policy'), ...all('AWS::IAM::Role')].flatMap(({ Properties }) => [
      Properties['PolicyDocument'],
      ...(Properties['Policies'] ?? []).map((policy: { PolicyDocument: unknown }) => policy.PolicyDocument),
    ]);
    const statements = policies.filter(Boolean).flatMap(({ Statement }) => Statement);
    const actions = statements.flatMap(({ Action }) => Action) as string[];
    // CDK grants ecs:Submit* to the ECS agent of EC2 instances.
    expect(actions.filter((action) => action.includes('*') && action !== 'ecs:Submit*')).toEqual([]);
    const onObjects = statements.filter(({ Action }) =>
      [Action].flat().some((action: string) => /^s3:.*Object$/.test(action)),
    );
    expect(onObjects.length).toBeGreaterThan(0);
    for (const { Resource: resource } of onObjects) expect(JSON.stringify(resource)).toMatch(/"[^"]*\/selm\/\*"/);
    const lists = statements.filter(({ Action }) => [Action].flat().includes('s3:ListBucket'));
    for (const { Condition } of lists) expect(Condition).toEqual({ StringLike: { 's3:prefix': 'selm/*' } });
  });

  it('containers have their grace, their secrets from Secrets Manager, and nothing to write to but their volumes', () => {
    const containers = all('AWS::ECS::TaskDefinition').flatMap(({ Properties }) => Properties['ContainerDefinitions']);
    const workers = containers.filter(({ Name }) => Name === 'worker');
    expect(workers.length).toBeGreaterThanOrEqual(2);
    for (const { Environment, StopTimeout, ReadonlyRootFilesystem, Secrets = [] } of workers) {
      const variables = Object.fromEntries(Environment.map(({ Name, Value }: Record<string, string>) => [Name, Value]));
      expect(Number(variables['SELM_GRACE_SECONDS']) + 10).toBeLessThan(StopTimeout);
      expect(StopTimeout).toBeLessThanOrEqual(120);
      expect(ReadonlyRootFilesystem).toBe(!('exec' in VARIANTS[name]));
      expect(Object.keys(variables).filter((key) => /KEY|TOKEN|PASSWORD|PWD/.test(key))).toEqual([]);
      const secret = Secrets.some((entry: { Name: string }) => entry.Name === 'TEMPORAL_API_KEY');
      expect(secret).toBe(JSON.stringify(VARIANTS[name]).includes('"cloud"'));
    }
  });

  it('web pages are there where they are asked for, read and never write', () => {
    const definitions = all('AWS::ECS::TaskDefinition').map(({ Properties }) => Properties);
    const pages = definitions.filter(({ ContainerDefinitions: [{ Name }] }) => Name === 'ui');
    expect(pages.length).toBe('ui' in VARIANTS[name] ? 1 : 0);
    for (const { TaskRoleArn, ContainerDefinitions } of pages) {
      const [{ ReadonlyRootFilesystem, Environment, Secrets = [] }] = ContainerDefinitions;
      expect(ReadonlyRootFilesystem).toBe(!('exec' in VARIANTS[name]));
      const names = Environment.map(({ Name }: { Name: string }) => Name).filter(
        (variable: string) => !/^SELM_UI_|^TEMPORAL_TLS_|PROXY|proxy|_CA_|^SSL_/.test(variable),
      );
      // Of the workers' variables and secrets, those of a payload codec.
      const encrypts = 'secrets' in VARIANTS[name];
      const variables = ['AWS_REGION', 'SELM_STORE', 'TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE'];
      expect(names).toEqual([...variables, ...(encrypts ? ['SELM_DATA_CONVERTER'] : [])]);
      const inCloud = JSON.stringify(VARIANTS[name]).includes('"cloud"');
      expect(Secrets.map(({ Name }: { Name: string }) => Name)).toEqual([
        ...(inCloud ? ['TEMPORAL_API_KEY'] : []),
        ...(encrypts ? ['SELM_CODEC_KEY'] : []),
      ]);
      const [role] = TaskRoleArn['Fn::GetAtt'] as [string];
      const own = all('AWS::IAM::Policy').filter(({ Properties }) =>
        JSON.stringify(Properties['Roles']).includes(`"${role}"`),
      );
      const actions = own.flatMap(({ Properties }) =>
        Properties['PolicyDocument'].Statement.flatMap(({ Action }: { Action: string | string[] }) => Action),
      );
      const ofStore = actions.filter((action: string) => !/^(ssmmessages|logs):/.test(action));
      expect(new Set(ofStore)).toEqual(new Set(['s3:GetObject', 's3:ListBucket', 'kms:Decrypt']));
      expect(ofStore.length < actions.length).toBe('exec' in VARIANTS[name]);
    }
  });

  it('GPU services begin at none and follow the demand to their limit and back', () => {
    const services = stacks[name].find((stack) => stack.name === 'selm-gpu')!;
    const own = (type: string) => resourcesOf([services], type);
    for (const { Properties } of own('AWS::ECS::Service')) expect(Properties['DesiredCount']).toBe(0);
    for (const { Properties } of own('AWS::ApplicationAutoScaling::ScalableTarget')) {
      const node = JSON.stringify(Properties['ResourceId']).includes('Node');
      expect(Properties).toMatchObject({ MinCapacity: 0, MaxCapacity: node ? 1 : 4 });
    }
    const policies = own('AWS::ApplicationAutoScaling::ScalingPolicy');
    expect(policies.length).toBe(2 * own('AWS::ECS::Service').length);
    for (const { Properties } of policies) {
      expect(Properties['StepScalingPolicyConfiguration'].AdjustmentType).toBe('ExactCapacity');
    }
    const alarms = own('AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);
    const [scaling, others] = [true, false].map((scales) =>
      alarms.filter(({ AlarmActions }) => scales === (AlarmActions[0].Ref !== undefined)),
    );
    expect(scaling.length).toBe(policies.length);
    for (const { TreatMissingData } of scaling) expect(TreatMissingData).toBe('ignore');
    // A pool without workers notifies the topic.
    expect(others.length).toBeGreaterThan(0);
    for (const { Metrics } of others) expect(JSON.stringify(Metrics)).toContain('IF(spot + other < 1, demand, 0)');
    // FILL gives nothing for a metric that does not exist yet.
    expect(JSON.stringify(stacks[name])).not.toContain('FILL(');
  });
});

it.each([
  [withPages, 'selm-ui', 'selm-ui'],
  ['everything', 'selm-ui', 'selm-public-ui'],
])('with %s, %s is what it was', async (variant, name, file) => {
  await expect(normalized(stacks[variant].find((stack) => stack.name === name)!)).toMatchFileSnapshot(
    `snapshots/${file}.json`,
  );
});

it('web pages for the internet leave the network that was there before as it was', () => {
  const without = stacks[defaults][1];
  const open = synthesize({ ...VARIANTS[defaults], ui: publicUi })[1];
  expect(without.name).toBe('selm-network');
  for (const [id, resource] of Object.entries(without.template.Resources)) {
    const { RouteTableIds: tables, ...rest } = resource.Properties ?? {};
    // The new subnets also use the S3 endpoint, so it has more route tables.
    const routed = tables ? { RouteTableIds: expect.arrayContaining(tables as unknown[]) as unknown } : {};
    expect(open.template.Resources[id], id).toEqual({
      ...resource,
      ...(resource.Properties && { Properties: { ...rest, ...routed } }),
    });
  }
});

it.each(stacksOf())('%s is what it was', async (name) => {
  const all = [...stacks[defaults], ...stacks['everything'].filter((stack) => stack.name === 'selm-budget')];
  await expect(normalized(all.find((stack) => stack.name === name)!)).toMatchFileSnapshot(`snapshots/${name}.json`);
});

function stacksOf(): string[] {
  return ['network', 'storage', 'temporal', 'cluster', 'control', 'gpu', 'observability', 'budget'].map(
    (name) => `selm-${name}`,
  );
}

it('a deployment without any setting has a server of its own; the cloud needs an address', () => {
  expect(stacks[defaults].map(({ name }) => name)).toEqual(synthesize({}).map(({ name }) => name));
  expect(() => synthesize({ temporal: { ...cloud, address: undefined } })).toThrow('"temporal.address" is missing');
});

it('a stopped deployment has no task, and none comes', () => {
  const stopped = synthesize({ temporal: { kind: 'self-hosted', stopped: true } });
  expect(resourcesOf(stopped, 'AWS::ECS::Service').map(({ Properties }) => Properties['DesiredCount'])).toEqual([
    0, 0, 0, 0,
  ]);
  const targets = resourcesOf(stopped, 'AWS::ApplicationAutoScaling::ScalableTarget');
  expect(targets.map(({ Properties }) => Properties['MaxCapacity'])).toEqual([0, 0]);
  // By it, `selm deploy` tells the stopped version from a drained one, whose stacks it deletes.
  const [marked, unmarked] = [stopped, stacks[defaults]].map((all) =>
    all.filter(({ template }) => template.Outputs?.[STOPPED_OUTPUT]).map(({ name }) => name),
  );
  expect([marked, unmarked]).toEqual([['selm-control', 'selm-gpu'], []]);
});
