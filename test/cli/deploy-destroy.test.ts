/** What is deployed and what is deleted, with AWS's services as moto implements them. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AutoScalingClient, DescribeAutoScalingInstancesCommand } from '@aws-sdk/client-auto-scaling';
import { CloudFormationClient, CreateStackCommand, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import {
  CreateServiceCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs';
import { CreateKeyCommand, DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import {
  CreateDBClusterCommand,
  CreateDBClusterSnapshotCommand,
  DescribeDBClustersCommand,
  DescribeDBClusterSnapshotsCommand,
  RDSClient,
} from '@aws-sdk/client-rds';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListBucketsCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkAccount } from '../../cdk/deployed.ts';
import { membersOf, startCloudFormation } from '../cloudformation.ts';
import { selm, summaryOf } from '../command.ts';
import { MOTO_ACCOUNT, startMoto } from '../moto.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const file = join(folder, 'deploy.yaml');
const images = 'images: { control: registry/selm, gpu: registry/selm-gpu }';
writeFileSync(file, `${images}\n`);

let env: Record<string, string>;
let moto: Awaited<ReturnType<typeof startMoto>>;
afterAll(() => moto.stop());
let [cloudFormation, ecs, kms, rds, s3] = [] as unknown as [
  CloudFormationClient,
  ECSClient,
  KMSClient,
  RDSClient,
  S3Client,
];
let key: string;

const DRAINED_GPU = 'selm-gpu-1-aaaaaaaa';
/** An Auto Scaling group as the pools have it: ECS protects the instances. */
const groupOfInstances = {
  Launch: {
    Type: 'AWS::AutoScaling::LaunchConfiguration',
    Properties: { ImageId: 'ami-1', InstanceType: 'g6e.xlarge' },
  },
  Group: {
    Type: 'AWS::AutoScaling::AutoScalingGroup',
    Properties: {
      AutoScalingGroupName: 'drained',
      AvailabilityZones: ['us-east-1a'],
      LaunchConfigurationName: { Ref: 'Launch' },
      MinSize: '0',
      MaxSize: '2',
      DesiredCapacity: '2',
      NewInstancesProtectedFromScaleIn: true,
    },
  },
};
/** Whether the instances of the group are protected from scale-in. */
async function protectedOf() {
  const { AutoScalingInstances = [] } = await new AutoScalingClient({}).send(
    new DescribeAutoScalingInstancesCommand({}),
  );
  return AutoScalingInstances.map(({ ProtectedFromScaleIn }) => ProtectedFromScaleIn);
}
let protectedAtDeletion: unknown;

const tags = (name: string) => [{ Key: 'selm-deployment', Value: name }];

function createStack(name: string, Resources: object, outputs: Record<string, string> = {}, deployment = 'selm') {
  const Outputs = Object.fromEntries(Object.entries(outputs).map(([id, Value]) => [id, { Value }]));
  const TemplateBody = JSON.stringify({ Resources, Outputs });
  return cloudFormation.send(new CreateStackCommand({ StackName: name, TemplateBody, Tags: tags(deployment) }));
}

async function createBucket(name: string, deployment: string) {
  await s3.send(new CreateBucketCommand({ Bucket: name }));
  await s3.send(new PutBucketTaggingCommand({ Bucket: name, Tagging: { TagSet: tags(deployment) } }));
}

/** Creates a key with the tag of the deployment. @returns its ARN */
async function createKey() {
  const Tags = [{ TagKey: 'selm-deployment', TagValue: 'selm' }];
  return (await kms.send(new CreateKeyCommand({ Tags }))).KeyMetadata!.Arn!;
}

beforeAll(async () => {
  moto = await startMoto();
  // moto's CloudFormation knows no clusters of databases.
  const database = '<PhysicalResourceId>temporal</PhysicalResourceId><ResourceType>AWS::RDS::DBCluster</ResourceType>';
  const answer = async (action: string, query: URLSearchParams) => {
    if (action === 'DeleteStack' && query.get('StackName') === DRAINED_GPU) protectedAtDeletion = await protectedOf();
    return action === 'DescribeStackResources' && query.get('StackName') === 'selm-temporal'
      ? `<StackResources>${membersOf([database])}</StackResources>`
      : undefined;
  };
  env = { ...moto.env, ...(await startCloudFormation(moto.url, answer)) };
  Object.assign(process.env, moto.env);
  cloudFormation = new CloudFormationClient({});
  ecs = new ECSClient({});
  kms = new KMSClient({});
  rds = new RDSClient({});
  s3 = new S3Client({ forcePathStyle: true });

  const log = { Logs: { Type: 'AWS::Logs::LogGroup', Properties: {} } };
  const cluster = { Cluster: { Type: 'AWS::ECS::Cluster', Properties: { ClusterName: 'shared' } } };
  await createStack('selm-temporal', log, { TemporalAddress: 'temporal.internal:7233' });
  await createStack('selm-cluster', cluster, { ControlCluster: 'shared', Version: '3-cccccccc' });
  for (const id of ['1-aaaaaaaa', '2-bbbbbbbb', '3-cccccccc'])
    for (const part of ['control', 'gpu']) {
      const name = `selm-${part}-${id}`;
      await createStack(name, name === DRAINED_GPU ? { ...log, ...groupOfInstances } : log, { Version: id });
    }
  expect(await protectedOf()).toEqual([true, true]);
  await createStack('selm-ui', log, { UiAddress: 'internal-selm.elb.amazonaws.com' });
  await createStack('selm-budget', log);
  await createStack('other-cluster', log, {}, 'other');
  await createStack('other-ui', log, {}, 'other');

  const containerDefinitions = [{ name: 'worker', image: 'selm', memory: 512 }];
  await ecs.send(new RegisterTaskDefinitionCommand({ family: 'control', containerDefinitions }));
  for (const id of ['1-aaaaaaaa', '2-bbbbbbbb', '3-cccccccc'])
    await ecs.send(
      new CreateServiceCommand({
        cluster: 'shared',
        serviceName: `control-${id}`,
        taskDefinition: 'control',
        desiredCount: 1,
      }),
    );
  // What the control worker of a drained version does.
  await ecs.send(new UpdateServiceCommand({ cluster: 'shared', service: 'control-1-aaaaaaaa', desiredCount: 0 }));

  await createBucket('selm-artifacts', 'selm');
  await createBucket('other-artifacts', 'other');
  await s3.send(
    new PutBucketVersioningCommand({ Bucket: 'selm-artifacts', VersioningConfiguration: { Status: 'Enabled' } }),
  );
  const put = (name: string) =>
    s3.send(new PutObjectCommand({ Bucket: 'selm-artifacts', Key: name, Body: 'ten bytes.' }));
  // More than one request deletes; an earlier version, and a delete marker.
  for (let i = 0; i < 1005; i++) await put(`selm/${i}`);
  await put('selm/0');
  await s3.send(new DeleteObjectCommand({ Bucket: 'selm-artifacts', Key: 'selm/1' }));
  key = await createKey();
  await rds.send(
    new CreateDBClusterCommand({
      DBClusterIdentifier: 'temporal',
      Engine: 'aurora-postgresql',
      MasterUsername: 'temporal',
      MasterUserPassword: 'password',
      DeletionProtection: true,
    }),
  );
  await rds.send(
    new CreateDBClusterSnapshotCommand({
      DBClusterIdentifier: 'temporal',
      DBClusterSnapshotIdentifier: 'final',
      Tags: tags('selm'),
    }),
  );
});

const deploy = (...args: string[]) => selm(['deploy', ...args, '--config', file], env);
const stacks = async () =>
  (await cloudFormation.send(new DescribeStacksCommand({})))
    .Stacks!.filter(({ StackStatus }) => StackStatus !== 'DELETE_COMPLETE')
    .map(({ StackName }) => StackName!)
    .sort();
const buckets = async () => (await s3.send(new ListBucketsCommand({}))).Buckets!.map(({ Name }) => Name).sort();
const keyState = async (KeyId = key) => (await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata!.KeyState;
const snapshots = async () =>
  (await rds.send(new DescribeDBClusterSnapshotsCommand({ SnapshotType: 'manual' }))).DBClusterSnapshots!.length;

it('credentials of another account are refused in one sentence', async () => {
  await expect(checkAccount({ name: 'selm', account: MOTO_ACCOUNT })).resolves.toBeUndefined();
  await expect(checkAccount({ name: 'selm', account: '999999999999' })).rejects.toThrow(
    'The AWS credentials are those of account 123456789012, but "account" of the deployment is 999999999999: use its credentials.',
  );
});

it('status shows the versions and what one looks for', async () => {
  const { code, stdout, stderr } = await deploy('status');
  expect(code, stderr).toBe(0);
  expect(stdout).toContain(
    'Version 1-aaaaaaaa: drained (all its runs have ended; the next selm deploy deletes its stacks).',
  );
  expect(stdout).toContain('Version 2-bbbbbbbb: draining');
  expect(stdout).toContain('Version 3-cccccccc: current');
  expect(stdout).toContain('selm-temporal TemporalAddress: temporal.internal:7233');
  expect(stdout).not.toContain('other-');
  const { versions } = summaryOf<{ versions: object[] }>(await deploy('status', '--json'));
  expect(versions).toHaveLength(3);
});

it('a stopped server is refused while another version has runs', async () => {
  const stopped = join(folder, 'stopped.yaml');
  writeFileSync(stopped, `${images}\ntemporal: { kind: self-hosted, stopped: true }\n`);
  const { code, stderr } = await selm(['deploy', '--config', stopped], env);
  expect([code, stderr]).toEqual([
    2,
    'selm: temporal.stopped: version 2-bbbbbbbb still has runs in progress; wait until they have ended, or stop them.\n',
  ]);
});

it('a configuration that ECS would refuse is refused before anything is deleted, also if it is too long for an argument', async () => {
  const before = await stacks();
  const long = join(folder, 'long.yaml');
  writeFileSync(long, `${images}\nenvironment: { NOTES: ${'x'.repeat(200 * 1024)} }\n`);
  const { code, stderr } = await selm(['deploy', '--config', long], env);
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /^selm: A task definition of selm-control-\S+ would have 20\d KiB, but ECS allows 64: shorten environment, [^\n]+\n$/,
  );
  expect(await stacks()).toEqual(before);
});

it('a deployment deletes the stacks of drained versions and of sections that were removed first, and no others', async () => {
  const before = await stacks();
  // moto is no AWS to deploy to: CDK then fails.
  const { stdout, stderr } = await deploy();
  const removed = ['selm-ui', 'selm-budget'];
  expect(await stacks()).toEqual(before.filter((name) => !name.endsWith('1-aaaaaaaa') && !removed.includes(name)));
  expect(stdout).toContain('The configuration has no "ui": the stack selm-ui is deleted.');
  // CloudFormation would wait for them for ever.
  expect(protectedAtDeletion).toEqual([false, false]);
  // The templates are synthesized elsewhere than in the package. With CI set, CDK's messages go to stdout.
  expect(stdout + stderr).toContain('Synthesis time');
  const inPackage = readdirSync(process.env['SELM_TEST_PACKAGE']!).filter((name) => name.startsWith('cdk.'));
  expect(inPackage).toEqual(['cdk.json']);
});

it('destroy asks: without a terminal and --yes it deletes nothing, and says what it would', async () => {
  const before = await stacks();
  const { code, stdout, stderr } = await deploy('destroy', '--everything');
  expect([code, stderr]).toEqual([2, 'selm: selm deploy destroy asks at a terminal: give --yes in a script.\n']);
  expect(stdout).toContain('  stack selm-temporal\n');
  expect(stdout).toContain('  bucket selm-artifacts: 1006 objects and earlier versions, 0.00 GB\n');
  expect(stdout).not.toContain('other-');
  expect(await stacks()).toEqual(before);
});

it('destroy deletes the stacks of this deployment, its protected database, too; artifacts stay', async () => {
  const { code, stderr } = await deploy('destroy', '--yes');
  expect(code, stderr).toBe(0);
  expect(await stacks()).toEqual(['other-cluster', 'other-ui']);
  expect(await buckets()).toEqual(['other-artifacts', 'selm-artifacts']);
  expect([await keyState(), await snapshots()]).toEqual(['Enabled', 1]);
  const { DBClusters } = await rds.send(new DescribeDBClustersCommand({}));
  expect(DBClusters!.map(({ DeletionProtection }) => DeletionProtection)).toEqual([false]);
});

it('destroy --everything deletes what stayed, and nothing of another deployment', async () => {
  const { code, stderr, stdout } = await deploy('destroy', '--everything', '--yes');
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('Bucket selm-artifacts is deleted.');
  expect(await buckets()).toEqual(['other-artifacts']);
  expect([await keyState(), await snapshots()]).toEqual(['PendingDeletion', 0]);
  const again = await deploy('destroy', '--everything', '--yes');
  expect([again.code, again.stderr]).toEqual([2, 'selm: There is no deployment "selm" in this account and region.\n']);
});

it('destroy --everything keeps a bucket and a key that the configuration names, although an earlier deployment has tagged them', async () => {
  for (const bucket of ['earlier-artifacts', 'earlier-logs']) await createBucket(bucket, 'selm');
  await s3.send(new PutObjectCommand({ Bucket: 'earlier-artifacts', Key: 'selm/policy', Body: 'kept' }));
  const [named, ofBucket] = [await createKey(), await createKey()];
  const own = join(folder, 'own.yaml');
  writeFileSync(own, JSON.stringify({ storage: { bucket: 'earlier-artifacts' }, kmsKeyArn: named }));
  const destroy = () => selm(['deploy', 'destroy', '--everything', '--yes', '--config', own], env);
  const { code, stdout, stderr } = await destroy();
  expect(code, stderr).toBe(0);
  expect(await buckets()).toEqual(['earlier-artifacts', 'other-artifacts']);
  expect([await keyState(named), await keyState(ofBucket)]).toEqual(['Enabled', 'Enabled']);
  expect(stdout).toContain(
    '  Bucket earlier-artifacts (storage.bucket) stays: delete the objects under selm/ yourself.\n' +
      `  Key ${named} (kmsKeyArn) stays.\n`,
  );
  expect(stdout).toContain(`Key ${ofBucket} stays: objects in earlier-artifacts may be encrypted with it.\n`);
  expect((await destroy()).stderr).toBe('selm: There is no deployment "selm" in this account and region.\n');
});
