/**
 * The command with AWS's own clients. Instance types, zones, roles and stacks are moto's, with EC2's own data; quotas and capacity blocks,
 * which moto does not have, are a local server's in the services' formats.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CloudFormationClient, CreateStackCommand } from '@aws-sdk/client-cloudformation';
import { DescribeInstanceTypesCommand, EC2Client, type _InstanceType } from '@aws-sdk/client-ec2';
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunFinding } from '../../cdk/doctor/runs.ts';
import { INSTANCE_TYPES } from '../../config/deployment/instance-types.ts';
import { selm, summaryOf, type Ended } from '../command.ts';
import { resetMoto, startMoto } from '../moto.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
let moto: string;
let stopMoto: () => Promise<void>;
beforeAll(async () => {
  ({ url: moto, stop: stopMoto } = await startMoto());
}, 120_000);
afterAll(() => stopMoto());

const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' };
const client = () => ({ endpoint: moto, region: 'us-east-1', credentials });

/** What the account has: vCPUs by quota code, roles, CDK's bootstrap stack, and a capacity block. */
interface Account {
  quotas: Record<string, number>;
  roles?: string[];
  bootstrap?: number;
  block?: { type: string; zone: string; state: string };
}

const ROLES = ['AWSServiceRoleForECS', 'AWSServiceRoleForEC2Spot'];
const ready = { roles: ROLES, bootstrap: 30 };

/** Prepares moto's account, and starts a server in front of it. @returns the environment of the command */
async function startAws({ quotas, roles = [], bootstrap, block }: Account): Promise<Record<string, string>> {
  await resetMoto(moto);
  for (const RoleName of roles)
    await new IAMClient(client()).send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: '{}' }));
  if (bootstrap !== undefined) {
    const template = {
      Resources: { Topic: { Type: 'AWS::SNS::Topic' } },
      Outputs: { BootstrapVersion: { Value: String(bootstrap) } },
    };
    await new CloudFormationClient(client()).send(
      new CreateStackCommand({ StackName: 'CDKToolkit', TemplateBody: JSON.stringify(template) }),
    );
  }
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const target = request.headers['x-amz-target'] as string | undefined;
      if (target?.startsWith('ServiceQuotas')) return answerQuota(response, target, body, quotas);
      if (body.includes('Action=DescribeCapacityReservations')) return answerBlock(response, block);
      void passOn(request, body, response);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  afterAll(() => void server.close());
  return environment(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

const environment = (url: string) => ({
  ...nobody,
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_REGION: 'us-east-1',
  AWS_ENDPOINT_URL: url,
});

/** An account without a value of its own has AWS's default, which is 0 for GPUs. */
function answerQuota(response: ServerResponse, target: string, body: string, quotas: Record<string, number>): void {
  const { QuotaCode } = JSON.parse(body) as { QuotaCode: string };
  const value = target.endsWith('GetAWSDefaultServiceQuota') ? 0 : quotas[QuotaCode];
  const json = value === undefined ? { __type: 'NoSuchResourceException' } : { Quota: { QuotaCode, Value: value } };
  response
    .writeHead(value === undefined ? 400 : 200, { 'Content-Type': 'application/x-amz-json-1.1' })
    .end(JSON.stringify(json));
}

function answerBlock(response: ServerResponse, block: Account['block']): void {
  const item = block
    ? `<item><instanceType>${block.type}</instanceType><availabilityZone>${block.zone}</availabilityZone>` +
      `<state>${block.state}</state><totalInstanceCount>1</totalInstanceCount></item>`
    : '';
  response
    .writeHead(200, { 'Content-Type': 'text/xml' })
    .end(
      `<DescribeCapacityReservationsResponse><capacityReservationSet>${item}</capacityReservationSet></DescribeCapacityReservationsResponse>`,
    );
}

async function passOn({ url, method, headers }: IncomingMessage, body: string, response: ServerResponse) {
  const { authorization, 'content-type': type } = headers;
  const answer = await fetch(`${moto}${url}`, {
    method,
    headers: { ...(authorization && { authorization }), ...(type && { 'content-type': type }) },
    ...(body !== '' && { body }),
  });
  response
    .writeHead(answer.status, { 'Content-Type': answer.headers.get('content-type') ?? 'text/xml' })
    .end(await answer.text());
}

/** Neither credentials nor region, wherever the test runs. */
const nobody = {
  AWS_ACCESS_KEY_ID: '',
  AWS_SECRET_ACCESS_KEY: '',
  AWS_PROFILE: '',
  AWS_REGION: '',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: join(folder, 'none'),
  AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
};

/** EC2 offers no G instances in us-east-1e. */
const ZONES = ['us-east-1a', 'us-east-1e'];
let count = 0;
/** Runs the command with a configuration of these pools and runs. */
function doctor(pools: object, env: Record<string, string>, runs: object[] = [], ...flags: string[]): Promise<Ended> {
  const file = join(folder, `deploy-${count++}.yaml`);
  const schedules = runs.map((run) => ({ cron: '0 3 * * 1', run }));
  writeFileSync(file, JSON.stringify({ network: { availabilityZones: ZONES }, gpu: { pools }, schedules }));
  return selm(['deploy', 'doctor', '--config', file, ...flags], env);
}
const findingsOf = (ended: Ended) => summaryOf<{ findings: RunFinding[] }>(ended).findings;
const verdicts = (ended: Ended) =>
  Object.fromEntries(findingsOf(ended).map(({ check, verdict }) => [check.replace(/.*\((L-\w+)\)/, '$1'), verdict]));
const details = (ended: Ended) =>
  Object.fromEntries(findingsOf(ended).map(({ check, detail }) => [check.replace(/.*\((L-\w+)\)/, '$1'), detail]));

const small = { accelerators: ['l4', 'a10g'], instanceType: 'g6.xlarge', memoryMiB: 13_312 };
const G = { spot: 'L-3819A6DF', 'on-demand': 'L-DB2E81BA' };
const P = { p4: 'L-7212CCBC', p5: 'L-C4BD4855', 'on-demand': 'L-417A185B' };

it('the sizes of instance types are those that EC2 gives', async () => {
  const types = Object.keys(INSTANCE_TYPES) as _InstanceType[];
  const { InstanceTypes = [] } = await new EC2Client(client()).send(
    new DescribeInstanceTypesCommand({ InstanceTypes: types }),
  );
  const told = InstanceTypes.map(({ InstanceType, VCpuInfo, MemoryInfo, GpuInfo, InstanceStorageInfo }) => {
    const [gpu] = GpuInfo!.Gpus!;
    const [disk] = InstanceStorageInfo!.Disks!;
    return [
      InstanceType!,
      {
        vcpus: VCpuInfo!.DefaultVCpus,
        memoryGib: MemoryInfo!.SizeInMiB! / 1024,
        gpus: gpu.Count,
        gpu: gpu.Name,
        gpuMemoryGib: Math.floor(gpu.MemoryInfo!.SizeInMiB! / 1024),
        disks: disk.Count,
        diskGb: disk.SizeInGB,
      },
    ];
  });
  expect(INSTANCE_TYPES).toEqual(Object.fromEntries(told));
});

it('an account with all that is needed is fine', async () => {
  const aws = await startAws({ ...ready, quotas: { [G.spot]: 16, [G['on-demand']]: 16 } });
  const ended = await doctor({ single: small }, aws, [], '--json');
  expect(ended.code, ended.stderr).toBe(0);
  const { 'single: g6.xlarge': l4, 'single: g5.xlarge': a10g, ...others } = verdicts(ended);
  expect(new Set(Object.values(others))).toEqual(new Set(['fine']));
  // They start in one of the network's two zones.
  expect([l4, a10g]).toEqual(['warning', 'warning']);
  expect(details(ended)).toMatchObject({
    'single: g6.xlarge':
      'is offered in us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1f, not in us-east-1e of network.availabilityZones',
    [G.spot]: '16 vCPUs; needed: 4 × 4 for single',
    'service-linked role AWSServiceRoleForEC2Spot': 'exists',
    "CDK's bootstrap stack CDKToolkit": 'version 30',
  });
}, 60_000);

it('a new account has no quota, no roles and no bootstrap stack: each is named with its remedy', async () => {
  const ended = await doctor({ single: small }, await startAws({ quotas: {} }), [], '--json');
  expect(ended.code).toBe(1);
  expect(verdicts(ended)).toEqual({
    'single: g6.xlarge': 'warning',
    'single: g5.xlarge': 'warning',
    [G.spot]: 'stops',
    [G['on-demand']]: 'stops',
    'service-linked role AWSServiceRoleForECS': 'stops',
    'service-linked role AWSServiceRoleForEC2Spot': 'warning',
    "CDK's bootstrap stack CDKToolkit": 'stops',
  });
  expect(ended.stdout).toContain('aws iam create-service-linked-role --aws-service-name spot.amazonaws.com');
  expect(ended.stdout).toContain('npx cdk bootstrap');
}, 60_000);

it('both pools share the quotas of a family; P instances have their own; on-demand alone is enough to start', async () => {
  const aws = await startAws({ ...ready, quotas: { [G.spot]: 16, [G['on-demand']]: 500, [P['on-demand']]: 0 } });
  const shared = await doctor({ single: small, node: { instanceType: 'g6e.48xlarge' } }, aws, [], '--json');
  expect(shared.code, shared.stderr).toBe(0);
  expect(verdicts(shared)).toMatchObject({ [G.spot]: 'warning', [G['on-demand']]: 'fine' });
  expect(details(shared)).toMatchObject({
    [G.spot]: '16 vCPUs; needed: 4 × 4 for single, 1 × 192 for node; request 208 in Service Quotas',
  });
  const own = await doctor({ single: small, node: { instanceType: 'p5.48xlarge', spot: false } }, aws, [], '--json');
  expect(own.code).toBe(1);
  expect(verdicts(own)).toMatchObject({ [P['on-demand']]: 'stops', [G.spot]: 'fine' });
  expect(verdicts(own)).not.toHaveProperty(P.p5);
}, 60_000);

it('zones must offer the type, and a capacity block must be of the type, in its zone, and not over', async () => {
  const node = { instanceType: 'p5.48xlarge', capacityBlock: 'cr-0123', availabilityZones: ['us-east-1a'] };
  const quotas = { [G.spot]: 16, [G['on-demand']]: 16 };
  const verdictOf = async (block: Account['block']) => {
    const ended = await doctor({ single: small, node }, await startAws({ ...ready, quotas, block }), [], '--json');
    return findingsOf(ended).find(({ check }) => check === 'node: cr-0123')!;
  };
  const type = 'p5.48xlarge';
  expect(await verdictOf({ type, zone: 'us-east-1a', state: 'scheduled' })).toMatchObject({
    verdict: 'fine',
    detail: '1 × p5.48xlarge in us-east-1a, scheduled',
  });
  expect(await verdictOf({ type: 'p4d.24xlarge', zone: 'us-east-1b', state: 'expired' })).toMatchObject({
    verdict: 'stops',
    detail:
      '1 × p4d.24xlarge in us-east-1b, expired; gpu.pools.node.instanceType is p5.48xlarge; ' +
      'gpu.pools.node.availabilityZones is us-east-1a; its time is over',
  });
  expect(await verdictOf(undefined)).toMatchObject({ verdict: 'stops', detail: 'does not exist in us-east-1' });
  const elsewhere = { ...small, availabilityZones: ['us-east-1e'] };
  const ended = await doctor({ single: elsewhere }, await startAws({ ...ready, quotas }), [], '--json');
  expect(ended.code).toBe(1);
  expect(verdicts(ended)).toMatchObject({ 'single: g6.xlarge': 'stops', 'single: g5.xlarge': 'stops' });
}, 60_000);

it('the region of the configuration is the one that is checked', async () => {
  const aws = await startAws({ ...ready, quotas: { [G.spot]: 16, [G['on-demand']]: 16 } });
  const file = join(folder, 'region.yaml');
  const pinned = { account: '111122223333', region: 'eu-central-1', gpu: { pools: { single: small } } };
  writeFileSync(file, JSON.stringify(pinned));
  const ended = await selm(['deploy', 'doctor', '--config', file, '--json'], aws);
  expect(details(ended)['single: g6.xlarge']).toBe('is offered in eu-central-1a, eu-central-1b, eu-central-1c');
  // The bootstrap stack of startAws() is in us-east-1.
  expect(verdicts(ended)["CDK's bootstrap stack CDKToolkit"]).toBe('stops');
  // A client that reads the region from the environment could check nothing.
  const alone = await selm(['deploy', 'doctor', '--config', file, '--json'], { ...aws, AWS_REGION: '' });
  expect(verdicts(alone)).toEqual(verdicts(ended));
  expect(Object.values(verdicts(alone))).not.toContain('not checked');
}, 60_000);

it('without credentials, or without a network, nothing is checked: one sentence, exit code 1, and still the costs', async () => {
  const { code, stdout, stderr } = await doctor({ single: small }, nobody);
  expect(code, stderr).toBe(1);
  expect(stderr).toMatch(
    /^selm: nothing in the AWS account could be checked: no AWS (credentials|region) in the environment\.\n/,
  );
  // The NAT gateway's published price, a day.
  expect(stdout).toMatch(/NAT gateway .*1 × 24 h × 0\.045 .*1\.08/);
  const unreachable = await doctor({ single: small }, environment('http://127.0.0.1:9'));
  expect(unreachable.code).toBe(1);
  expect(unreachable.stderr).toContain('selm: nothing in the AWS account could be checked: ');
}, 60_000);

const llama = {
  model: 'meta-llama/Meta-Llama-3-8B-Instruct',
  prompts: { train: 'org/data', heldOut: 100, perRound: 20_378 },
};
const training = { recompute: true, microBatchTokens: 4096, maxLength: 1024, maxPromptLength: 512 };
const onGpu = { backend: 'torch', device: 'cuda' };
const node = { instanceType: 'g6e.48xlarge' };

it('a full fine-tuning of an 8B model on a task of 13 GB is refused, on the CPU and on a GPU; what would fit does fit', async () => {
  const runs = [
    { ...llama, name: 'cpu', optimize: { ...training, full: true } },
    { ...llama, name: 'gpu', ...onGpu, optimize: { ...training, full: true } },
    { ...llama, name: 'node', ...onGpu, gpus: 8, optimize: { ...training, full: true } },
  ];
  const ended = await doctor({ single: small, node }, nobody, runs);
  expect(ended.code).toBe(2);
  // 16 bytes a parameter: 128 GB and activations. The task has 13,312 MiB.
  expect(ended.stderr).toMatch(
    /run cpu on single: it needs an estimated 1[34]\d\.\d GB of memory, and gpu\.pools\.single\.memoryMiB gives a worker 14\.0 GB/,
  );
  expect(ended.stderr).toMatch(
    /run gpu on single: optimize needs an estimated 14\d\.\d GB on each of 1 GPU, and L4 has 23\.6 GB/,
  );
  expect(ended.stderr).toMatch(/It would fit with gpus: 8 in the run/);
  expect(ended.stderr).not.toContain('run node');
  // A deployment without a node is told which one it needs, and a GPU with more memory is enough for LoRA.
  const alone = await doctor({ single: small }, nobody, runs.slice(1, 2));
  expect(alone.stderr).toMatch(
    /It would fit with gpu\.pools\.node\.instanceType: \w+\.\d+xlarge in the deployment, and gpus: 8 in the run/,
  );
  const kept = await doctor({ single: small, node }, nobody, [{ ...runs[1], workers: 'single' }]);
  expect(kept.stderr).toContain('It would fit with workers: node, gpus: 8 in the run');
  // No instance has a single GPU and this much memory.
  const large = await doctor({ single: { ...small, memoryMiB: 400_000 } }, nobody, runs.slice(1, 2));
  expect(large.code).toBe(2);
  expect(large.stderr).toContain('run gpu on single: no known instance type has one of gpu.pools.single.accelerators');
  const lora = { ...llama, name: 'lora', ...onGpu, optimize: training };
  const mixed = await doctor({ single: { accelerators: ['l4', 'l40s'], memoryMiB: 13_312 } }, nobody, [lora]);
  expect(mixed.code).toBe(2);
  expect(mixed.stderr).toContain('It would fit with gpu.pools.single.accelerators: [l40s].');
  const fitting = await doctor({ single: { accelerators: ['l40s'], memoryMiB: 13_312 } }, nobody, [lora], '--json');
  expect(fitting.code).toBe(1);
  expect(findingsOf(fitting)[0]).toMatchObject({ verdict: 'fine', instanceType: 'g6e.xlarge' });
}, 60_000);

const total = ({ sample = 0, optimize, evaluate = 0 }: NonNullable<RunFinding['hours']>) =>
  sample + optimize + evaluate;

it('hours and costs of a run are by the speed and the price of the instance of its pool', async () => {
  const run = { ...llama, name: 'full', ...onGpu, gpus: 8, optimize: { ...training, full: true } };
  const [slow, fast] = await Promise.all(
    ['g6e.48xlarge', 'p5.48xlarge'].map(
      async (instanceType) => findingsOf(await doctor({ node: { instanceType } }, nobody, [run], '--json'))[0],
    ),
  );
  // A forward pass of 2 N operations for the reference, then four with recomputation, over rows of at most a prompt and three responses.
  const parameters = 8_030_261_248;
  const row = 512 + 3 * 512;
  const seconds = (perGpu: number) => (2 * parameters * 20_378 * row * 5) / (8 * perGpu);
  expect(slow.hours!.optimize).toBeCloseTo(seconds(0.25 * 362e12) / 3600, 6);
  expect(fast.hours!.optimize).toBeCloseTo(seconds(0.33 * 989e12) / 3600, 6);
  expect(slow.usdPerRound).toBeCloseTo(total(slow.hours!) * 30.13118 * 0.5, 6);
  expect(fast.usdPerRound).toBeCloseTo(total(fast.hours!) * 55.04 * 0.5, 6);
}, 60_000);

it('the images that selm builds have no lm-eval and no alpaca-eval; it cannot look into others', async () => {
  const evaluate = { benchmarks: ['ifeval', { 'lm-eval': ['gsm8k'] }, 'alpaca-eval'] };
  const run = { ...llama, name: 'measured', ...onGpu, optimize: training, evaluate };
  const built = await doctor({}, nobody, [run], '--json');
  expect(built.code).toBe(2);
  expect(verdicts(built)).toMatchObject({ 'run measured: lm-eval': 'stops', 'run measured: alpaca-eval': 'stops' });
  expect(built.stderr).toContain(
    'selm: run measured: lm-eval: the image gpu that selm builds lacks its program: give images.gpu one with lm_eval[api], and ' +
      'SELM_LM_EVAL_PYTHON with its Python interpreter; or leave lm-eval out\n',
  );
  const file = join(folder, 'own-images.yaml');
  const images = { control: 'registry.example.com/control:1', gpu: 'registry.example.com/gpu:1' };
  writeFileSync(file, JSON.stringify({ images, schedules: [{ cron: '0 3 * * 1', run }] }));
  const own = await selm(['deploy', 'doctor', '--config', file, '--json'], nobody);
  expect(own.code).toBe(1);
  expect(details(own)).toMatchObject({
    'run measured: lm-eval': 'images.gpu must have lm_eval[api], and SELM_LM_EVAL_PYTHON with its Python interpreter',
    'run measured: alpaca-eval': 'images.control must have the Python environment of selm benchmarks install',
  });
}, 60_000);

it('quotas are checked also if the region does not have the instance type of one pool', async () => {
  const aws = await startAws({ ...ready, quotas: { [G.spot]: 16, [G['on-demand']]: 0 } });
  const unknown = { instanceType: 'x9.48xlarge', gpus: 8, cpu: 196_608, memoryMiB: 1_000_000 };
  const ended = await doctor({ single: small, node: unknown }, aws, [], '--json');
  expect(ended.code).toBe(1);
  expect(verdicts(ended)).toMatchObject({
    'node: x9.48xlarge': 'stops',
    [G.spot]: 'fine',
    [G['on-demand']]: 'warning',
  });
}, 60_000);

it('a bad configuration is one sentence', async () => {
  const { code, stderr } = await doctor({ single: { maxWorkers: 'none' } }, nobody);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^selm: .*maxWorkers.*\n$/);
  const a100 = await doctor({ single: { accelerators: ['a100'] } }, nobody);
  expect(a100.code).toBe(2);
  expect(a100.stderr).toMatch(
    /gpu\.pools\.single\.accelerators: no instance type has a single A100.*p4d\.24xlarge.*\n$/,
  );
});
