/** Deployments by an organization's rules: its network, bucket, key, roles, tags and account. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadDeployConfig } from '../../config/load-deployment.ts';
import { temporaryFolder } from '../temporary.ts';
import { readImage } from './image.ts';
import { existingVpc, publicUi, resourcesOf, synthesize, VARIANTS, type SynthesizedStack } from './variants.ts';

const folder = temporaryFolder();
const EXISTING = "an organization's account, existing VPC and bucket";
const OWN = "an organization's account, auto-scaling-group, 0 NAT";
const BARE = 'existing VPC and bucket without a key';
const key = 'arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef';
const stacks: Record<string, SynthesizedStack[]> = {};
beforeAll(() => {
  for (const name of [EXISTING, OWN, BARE]) stacks[name] = synthesize(VARIANTS[name], join(folder, name));
});

const all = (name: string, type: string) => resourcesOf(stacks[name], type).map(({ Properties }) => Properties);
const stackOf = (name: string, part: string) => stacks[name].find((stack) => stack.name === `selm-${part}`)!;
/** Statements of all policies of roles. */
const statementsOf = (name: string) =>
  all(name, 'AWS::IAM::Policy').flatMap(({ PolicyDocument }) => PolicyDocument.Statement as Statement[]);
interface Statement {
  Action: string | string[];
  Resource: unknown;
  Condition?: unknown;
}

describe('an account and region of its own', () => {
  // That they deploy again without a change is tested for all variants in synth.test.ts.
  it.each([EXISTING, OWN])('%s: CDK deploys to no other and looks nothing up', (name) => {
    const manifest = JSON.parse(readFileSync(join(folder, name, 'manifest.json'), 'utf8'));
    const deployed = Object.values(manifest.artifacts as Record<string, { type: string; environment: string }>).filter(
      ({ type }) => type === 'aws:cloudformation:stack',
    );
    expect(new Set(deployed.map(({ environment }) => environment))).toEqual(
      new Set(['aws://111122223333/eu-central-1']),
    );
    expect(manifest.missing).toBeUndefined();
  });

  it('the subnets are in the given zones, by default in the first two of the region', () => {
    expect(all(OWN, 'AWS::EC2::Subnet').map(({ AvailabilityZone }) => AvailabilityZone)).toEqual([
      'eu-central-1b',
      'eu-central-1c',
    ]);
    const first = { 'Fn::Select': [0, { 'Fn::GetAZs': '' }] };
    const [subnet] = resourcesOf(synthesize({ account: '111122223333', region: 'eu-central-1' }), 'AWS::EC2::Subnet');
    expect(subnet.Properties['AvailabilityZone']).toEqual(first);
  });
});

describe('an existing network', () => {
  it('gets no VPC, NAT gateway or subnet, and no endpoint unless asked for; tasks are in its private subnets', () => {
    for (const type of ['VPC', 'NatGateway', 'Subnet', 'FlowLog']) {
      expect(all(EXISTING, `AWS::EC2::${type}`)).toEqual([]);
      expect(all(BARE, `AWS::EC2::${type}`)).toEqual([]);
    }
    expect(all(BARE, 'AWS::EC2::VPCEndpoint')).toEqual([]);
    for (const { NetworkConfiguration } of all(EXISTING, 'AWS::ECS::Service'))
      expect(NetworkConfiguration.AwsvpcConfiguration.Subnets).toEqual(existingVpc.privateSubnets);
    expect(all(EXISTING, 'AWS::RDS::DBSubnetGroup')[0].SubnetIds).toEqual(existingVpc.privateSubnets);
    const balancers = all(EXISTING, 'AWS::ElasticLoadBalancingV2::LoadBalancer');
    expect(balancers.map(({ Scheme, Subnets }) => [Scheme, Subnets])).toEqual(
      expect.arrayContaining([
        ['internet-facing', existingVpc.publicSubnets],
        ['internal', existingVpc.privateSubnets],
      ]),
    );
  });

  it('its endpoints, where asked for, are in its subnets and route tables', () => {
    const endpoints = all(EXISTING, 'AWS::EC2::VPCEndpoint');
    const [s3] = endpoints.filter(({ VpcEndpointType }) => VpcEndpointType === 'Gateway');
    expect(s3.RouteTableIds).toEqual(['rtb-0123abca', 'rtb-0123abcb']);
    for (const { SubnetIds, VpcEndpointType } of endpoints)
      if (VpcEndpointType === 'Interface') expect(SubnetIds).toEqual(existingVpc.privateSubnets);
  });
});

describe.each([EXISTING, OWN])('%s', (name) => {
  it('endpoints reach only the bucket, images and packages of AWS, only as this account, and all services that tasks use', () => {
    const endpoints = all(name, 'AWS::EC2::VPCEndpoint').filter(({ ServiceName }) => !/vpce-svc/.test(ServiceName));
    const [s3] = endpoints.filter(({ VpcEndpointType }) => VpcEndpointType === 'Gateway');
    const [own, layers] = s3.PolicyDocument.Statement;
    expect(s3.PolicyDocument.Statement.length).toBe(2);
    expect(JSON.stringify(own.Resource)).toMatch(name === EXISTING ? /:s3:::company-artifacts\/\*/ : /Artifacts.*\/\*/);
    expect(JSON.stringify(layers)).toContain(':s3:::prod-eu-central-1-starport-layer-bucket/*');
    expect(JSON.stringify(layers)).toContain(':s3:::al2023-repos-eu-central-1-de612dc2/*');
    expect(layers.Action).toBe('s3:GetObject');
    const services = endpoints
      .filter((endpoint) => endpoint !== s3)
      .map(({ ServiceName }) => String(ServiceName).replace('com.amazonaws.eu-central-1.', ''));
    expect(services.sort()).toEqual(
      ['ecr.api', 'ecr.dkr', 'ecs', 'ecs-agent', 'ecs-telemetry', 'logs', 'secretsmanager', 'ssmmessages'].sort(),
    );
    const limited = endpoints.filter((endpoint) => endpoint !== s3 && !/\.ecs-/.test(endpoint.ServiceName));
    expect(limited.length).toBe(6);
    for (const endpoint of limited) {
      const [{ Condition }] = endpoint.PolicyDocument.Statement;
      expect(Condition).toEqual({ StringEquals: { 'aws:PrincipalAccount': '111122223333' } });
    }
  });

  it('the key encrypts what is stored, and the containers may get secrets that it encrypts', () => {
    expect(all(name, 'AWS::KMS::Key')).toEqual([]);
    for (const type of ['AWS::Logs::LogGroup', 'AWS::RDS::DBCluster', 'AWS::SecretsManager::Secret'])
      for (const { KmsKeyId } of all(name, type)) expect(KmsKeyId).toBe(key);
    expect(all(name, 'AWS::Logs::LogGroup').length).toBeGreaterThan(2);
    expect(all(name, 'AWS::SNS::Topic').map(({ KmsMasterKeyId }) => KmsMasterKeyId)).toEqual([key]);
    for (const { Configuration } of all(name, 'AWS::ECS::Cluster'))
      expect(Configuration.ManagedStorageConfiguration).toEqual({
        FargateEphemeralStorageKmsKeyId: key,
        KmsKeyId: key,
      });
    for (const { LaunchTemplateData } of all(name, 'AWS::EC2::LaunchTemplate'))
      for (const { Ebs } of LaunchTemplateData.BlockDeviceMappings)
        expect(Ebs).toMatchObject({ Encrypted: true, KmsKeyId: key });
    expect(all(name, 'AWS::EC2::LaunchTemplate').length > 0).toBe(name === OWN);
    const executions = all(name, 'AWS::IAM::Policy').filter(({ PolicyName }) => PolicyName.includes('ExecutionRole'));
    expect(executions.length).toBe(all(name, 'AWS::ECS::TaskDefinition').length);
    for (const { PolicyDocument } of executions)
      expect(PolicyDocument.Statement).toContainEqual({ Action: 'kms:Decrypt', Effect: 'Allow', Resource: key });
    const [artifacts] = all(name, 'AWS::S3::Bucket').filter(({ VersioningConfiguration }) => VersioningConfiguration);
    if (name === OWN)
      expect(artifacts.BucketEncryption.ServerSideEncryptionConfiguration[0].ServerSideEncryptionByDefault).toEqual({
        SSEAlgorithm: 'aws:kms',
        KMSMasterKeyID: key,
      });
    else expect(artifacts).toBeUndefined();
  });

  it('every role has the boundary, and everything that can have them the tags, as has what ECS starts', () => {
    const roles = all(name, 'AWS::IAM::Role');
    expect(roles.length).toBeGreaterThan(5);
    for (const { PermissionsBoundary } of roles)
      expect(PermissionsBoundary).toBe('arn:aws:iam::111122223333:policy/boundary');
    const tags = [
      { Key: 'cost-center', Value: '4711' },
      { Key: 'owner', Value: 'alignment' },
      { Key: 'selm-deployment', Value: 'selm' },
    ];
    for (const type of [
      'ECS::Service',
      'ECS::TaskDefinition',
      'ECS::Cluster',
      'ECS::CapacityProvider',
      'Logs::LogGroup',
      'IAM::Role',
    ])
      for (const { Tags } of all(name, `AWS::${type}`)) expect(Tags, type).toEqual(expect.arrayContaining(tags));
    for (const { PropagateTags, EnableECSManagedTags } of all(name, 'AWS::ECS::Service'))
      expect([PropagateTags, EnableECSManagedTags]).toEqual(['SERVICE', true]);
    for (const { Tags } of all(name, 'AWS::AutoScaling::AutoScalingGroup'))
      expect(Tags).toContainEqual({ Key: 'cost-center', PropagateAtLaunch: true, Value: '4711' });
    for (const { ManagedInstancesProvider } of all(name, 'AWS::ECS::CapacityProvider'))
      if (ManagedInstancesProvider) expect(ManagedInstancesProvider.PropagateTags).toBe('CAPACITY_PROVIDER');
  });

  it('ECS Exec: every service allows it, the tasks may open its channels, and its sessions are logged', () => {
    for (const { EnableExecuteCommand } of all(name, 'AWS::ECS::Service')) expect(EnableExecuteCommand).toBe(true);
    for (const { Configuration } of all(name, 'AWS::ECS::Cluster'))
      expect(Configuration.ExecuteCommandConfiguration).toMatchObject({
        Logging: 'OVERRIDE',
        LogConfiguration: {
          CloudWatchEncryptionEnabled: true,
          CloudWatchLogGroupName: { 'Fn::ImportValue': expect.stringContaining('Sessions') },
        },
      });
    const tasks = all(name, 'AWS::ECS::TaskDefinition');
    for (const { ContainerDefinitions } of tasks)
      for (const container of ContainerDefinitions)
        expect(container).toMatchObject({
          ReadonlyRootFilesystem: false,
          LinuxParameters: { InitProcessEnabled: true },
        });
    const channels = statementsOf(name).filter(({ Action }) => Action.includes('ssmmessages:OpenDataChannel'));
    const writes = statementsOf(name).filter(({ Action }) => Action.includes('logs:DescribeLogStreams'));
    expect(channels.length).toBe(tasks.length);
    // The network's flow log has such a role, too.
    expect(writes.length).toBeGreaterThanOrEqual(tasks.length);
  });
});

it('without exec no task may open a channel, and tags reach the tasks', () => {
  expect(statementsOf(BARE).filter(({ Action }) => Action.includes('ssmmessages:OpenDataChannel'))).toEqual([]);
  for (const { EnableExecuteCommand, PropagateTags } of all(BARE, 'AWS::ECS::Service'))
    expect([EnableExecuteCommand, PropagateTags]).toEqual([undefined, 'SERVICE']);
});

it('workers read and write an existing bucket under their prefix, with no permission for a key that is not given', () => {
  const objects = statementsOf(BARE).filter(({ Action }) => Action.includes('s3:PutObject'));
  expect(objects.length).toBeGreaterThan(1);
  for (const { Resource } of objects) expect(JSON.stringify(Resource)).toContain(':s3:::company-artifacts/selm/*');
  expect(statementsOf(BARE).filter(({ Action }) => JSON.stringify(Action).includes('kms:'))).toEqual([]);
  const { ContainerDefinitions } = all(BARE, 'AWS::ECS::TaskDefinition')[0];
  expect(ContainerDefinitions[0].Environment).toContainEqual({
    Name: 'SELM_STORE',
    Value: 's3://company-artifacts/selm',
  });
});

const valuesOf = (name: string, part: string) =>
  Object.fromEntries(Object.entries(stackOf(name, part).template.Outputs ?? {}).map(([id, { Value }]) => [id, Value]));

it('the outputs name what an operator looks for', () => {
  expect(valuesOf(EXISTING, 'cluster')).toMatchObject({
    StoreUrl: 's3://company-artifacts/selm',
    StoreKey: key,
    TemporalAddress: expect.anything(),
    TemporalNamespace: 'default',
    TaskQueues: expect.stringContaining('selm-control, selm-gpu'),
  });
  const expected = {
    cluster: ['ClusterName', 'ControlLogsName', 'GpuLogsName'],
    gpu: ['ClusterName'],
    temporal: ['ClusterName', 'LogsName'],
  };
  for (const [part, names] of Object.entries(expected))
    expect(Object.keys(valuesOf(EXISTING, part))).toEqual(expect.arrayContaining(names));
  expect(Object.keys(valuesOf(EXISTING, 'network'))).toContain('SessionsName');
  const { DashboardUrl } = valuesOf(EXISTING, 'observability') as { DashboardUrl: { 'Fn::Join': [string, unknown[]] } };
  const parts = DashboardUrl['Fn::Join'][1];
  expect(parts.slice(0, 3)).toEqual([
    'https://eu-central-1.',
    { 'Fn::FindInMap': ['Consoles', { Ref: 'AWS::Partition' }, 'host'] },
    '/cloudwatch/home?region=eu-central-1#dashboards/dashboard/',
  ]);
  // https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/using-govcloud-endpoints.html, and
  // https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-Beijing.html
  expect(stackOf(EXISTING, 'observability').template).toMatchObject({
    Mappings: {
      Consoles: {
        aws: { host: 'console.aws.amazon.com' },
        'aws-us-gov': { host: 'console.amazonaws-us-gov.com' },
        'aws-cn': { host: 'console.amazonaws.cn' },
      },
    },
  });
  const [scheduled] = synthesize(VARIANTS['everything']).filter(({ name }) => name === 'selm-control');
  expect(scheduled.template.Outputs!['Schedules'].Value).toBe('weekly');
});

it('the dashboard has the region in its name, since names of dashboards are global', () => {
  const [given, ofEnvironment] = [EXISTING, BARE].map((name) => all(name, 'AWS::CloudWatch::Dashboard'));
  expect(given).toMatchObject([{ DashboardName: 'selm-eu-central-1' }]);
  expect(ofEnvironment).toMatchObject([{ DashboardName: { 'Fn::Join': ['', ['selm-', { Ref: 'AWS::Region' }]] } }]);
});

it('the containers that run selm, and only these, have the proxy and the certificates; AWS is reached directly', () => {
  const containers = all(EXISTING, 'AWS::ECS::TaskDefinition').flatMap(
    ({ ContainerDefinitions }) =>
      ContainerDefinitions as { Name: string; Environment: object[]; EntryPoint?: string[] }[],
  );
  const own = containers.filter(({ Name }) => ['worker', 'ui'].includes(Name));
  expect(own.length).toBe(4);
  for (const { Environment, EntryPoint } of own) {
    const direct = '127.0.0.1,localhost,169.254.169.254,169.254.170.2,.amazonaws.com,.amazonaws.com.cn,.example.com';
    expect(Environment).toEqual(
      expect.arrayContaining([
        { Name: 'NODE_USE_ENV_PROXY', Value: '1' },
        { Name: 'HTTPS_PROXY', Value: 'http://proxy.example.com:3128' },
        { Name: 'NO_PROXY', Value: direct },
        { Name: 'no_proxy', Value: direct },
        { Name: 'SELM_CA_BUNDLE', Value: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----' },
      ]),
    );
    // The shell ends with the entry point of the images.
    for (const target of ['control', 'gpu'])
      expect(EntryPoint![2].split('\n').at(-1)).toBe(`exec ${readImage(target).entryPoint.join(' ')} "$@"`);
  }
  for (const container of containers.filter((given) => !own.includes(given)))
    expect(JSON.stringify(container)).not.toMatch(/PROXY|SELM_CA_BUNDLE/);
  for (const definition of all(BARE, 'AWS::ECS::TaskDefinition'))
    expect(JSON.stringify(definition)).not.toMatch(/PROXY|SELM_CA_BUNDLE|EntryPoint/);
});

it('groups of users reach the web pages, which check the header of their own load balancer', () => {
  const [pages] = all(EXISTING, 'AWS::ECS::TaskDefinition')
    .flatMap(({ ContainerDefinitions }) => ContainerDefinitions)
    .filter(({ Name }) => Name === 'ui');
  const { Value } = pages.Environment.find(({ Name }: { Name: string }) => Name === 'SELM_UI_SIGN_IN');
  const [before, balancer, after] = Value['Fn::Join'][1];
  expect(stackOf(EXISTING, 'ui').template.Resources[balancer.Ref].Type).toBe(
    'AWS::ElasticLoadBalancingV2::LoadBalancer',
  );
  expect(JSON.parse(`${before}ARN${after}`)).toEqual({
    balancer: 'ARN',
    issuer: publicUi.oidc.issuer,
    clientId: 'selm',
    name: 'email',
    groups: {
      claim: 'groups',
      values: ['alignment', 'reviewers'],
      labelers: ['raters'],
      operators: ['on-call'],
    },
  });
  // Only pages that have people for them are served.
  expect(pages.Command).toEqual(['ui', '--host', '0.0.0.0', '--port', '8080', '--label', '--operate']);
  const [open] = resourcesOf(synthesize(VARIANTS['everything']), 'AWS::ECS::TaskDefinition')
    .flatMap(({ Properties }) => Properties!['ContainerDefinitions'] as { Name: string; Command: string[] }[])
    .filter(({ Name }) => Name === 'ui');
  expect(open.Command).toEqual(['ui', '--host', '0.0.0.0', '--port', '8080']);
  const [listener] = all(EXISTING, 'AWS::ElasticLoadBalancingV2::Listener').filter(({ Port }) => Port === 443);
  expect(listener.DefaultActions[0].AuthenticateOidcConfig.Scope).toBe('openid email groups');
});

const { publicSubnets: _, ...closedVpc } = existingVpc;
it.each([
  [{ region: 'eu-central-1' }, 'account is missing: account and region are given together, or neither.'],
  [
    { account: 111122223333, region: 'eu-central-1' },
    '"account" cannot be 111122223333: expected string, received number; see docs/deployment-settings.md.',
  ],
  [
    { account: '111122223333', region: 'eu-west-1', network: { vpc: existingVpc } },
    'zone eu-central-1a is not in region: eu-west-1; give zones of that region.',
  ],
  [
    { network: { natGateways: 1, vpc: existingVpc } },
    'network.natGateways cannot be combined with network.vpc, which has its own routes; remove it.',
  ],
  [
    { network: { natGateways: 0, endpoints: false } },
    'network.endpoints: false needs a NAT gateway: with network.natGateways: 0 tasks reach AWS only through endpoints.',
  ],
  [
    { network: { vpc: existingVpc, availabilityZones: ['eu-central-1a', 'eu-central-1b'] } },
    'network.availabilityZones cannot be combined with network.vpc; give network.vpc.availabilityZones.',
  ],
  [
    { network: { vpc: { ...existingVpc, privateSubnets: ['subnet-0123abca', 'subnet-0123abcb', 'subnet-0123abcc'] } } },
    'network.vpc.privateSubnets has 3 ids for 2 availabilityZones; give one per zone, in the same order.',
  ],
  ...['999.1.1.1/99', '10.20.0.0', '10.20.0.0/15', '10.20.0.0/28', '2001:db8::/32'].map((cidr): [object, string] => [
    { network: { vpc: { ...existingVpc, cidr } } },
    `"network.vpc.cidr" cannot be "${cidr}": expected an IPv4 address range from /16 to /27, such as 10.20.0.0/16; ` +
      'see docs/deployment-settings.md.',
  ]),
  [
    { network: { vpc: existingVpc, endpoints: true } },
    'network.vpc.routeTables is missing: network.endpoints: true adds an S3 endpoint to the route tables of the private subnets.',
  ],
  [
    { network: { vpc: closedVpc }, ui: publicUi },
    'network.vpc.publicSubnets is missing: the load balancer of web pages on the internet needs public subnets; or give ui: true.',
  ],
  [
    {
      network: { natGateways: 0 },
      ui: { ...publicUi, oidc: { ...publicUi.oidc, groups: { values: ['alignment'] } } },
    },
    "ui.oidc.groups needs a NAT gateway: the load balancer's public keys, which no VPC endpoint has, are on the internet; " +
      'give network.natGateways: 1.',
  ],
  [{ tags: { 'aws:owner': 'us' } }, 'tags.aws:owner is reserved; give it another name.'],
  [
    { kmsKeyArn: 'arn:aws:kms:eu-central-1:111122223333:alias/company' },
    '"kmsKeyArn" cannot be "arn:aws:kms:eu-central-1:111122223333:alias/company": expected arn:aws:kms:REGION:ACCOUNT:key/…; ' +
      'see docs/deployment-settings.md.',
  ],
])('%j is refused in one sentence', (document, problem) => {
  const file = join(folder, 'bad.yaml');
  writeFileSync(file, JSON.stringify(document));
  expect(() => loadDeployConfig(file)).toThrow(`bad.yaml: ${problem}`);
});
