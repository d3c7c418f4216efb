/** Checks that costs and configuration in docs/deploy.md agree with the code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadDeployConfig } from '../../config/load-deployment.ts';
import { deployPage, readme } from '../../docs/write-costs.ts';
import { selm } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { cloud, publicUi, synthesize } from './variants.ts';

const folder = temporaryFolder();
const page = readFileSync(new URL('../../docs/deploy.md', import.meta.url), 'utf8');
const readmePage = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, block]) => block);
const example = blocks.find((block) => block.startsWith('name: selm'))!;
const weeklyRun = blocks.find((block) => block.startsWith('name: weekly'))!;

const weekly = { name: 'weekly', model: 'org/model', prompts: { train: 'org/data', heldOut: 100 } };
const write = (name: string, content: unknown) => {
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  return join(folder, name);
};

it('its costs, and those in README.md, are what `npm run docs` writes', async () => {
  expect(await deployPage()).toBe(page);
  expect(await readme()).toBe(readmePage);
});

it('its costs, and the claim of README.md, are what selm deploy doctor prints for its example', async () => {
  write('weekly.yaml', weeklyRun);
  const { stdout } = await selm(['deploy', 'doctor', '--config', write('deploy.yaml', example)], {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
    AWS_REGION: 'us-east-1',
  });
  expect(stdout).toMatch(/fine .*run weekly on node \(p5\.48xlarge\)/);
  const section = page.slice(page.indexOf('### A day without work'), page.indexOf('### Speeds'));
  const printed = stdout.split('\n').map((line) => line.split('│').map((cell) => cell.trim()));
  const totals = printed.filter(([, what]) => what === 'total').map(([, , , usd]) => usd);
  expect(totals).toHaveLength(3);
  const lines = printed.filter((cells) => cells.length === 5 && / [×/] /.test(cells[2]));
  expect(lines.length).toBeGreaterThan(20);
  const rows = section.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  for (const [, what, arithmetic, usd] of lines) expect(rows).toContainEqual(['', what, arithmetic, usd, '']);
  for (const total of totals) {
    expect(section).toContain(`**${total}**`);
    expect(readmePage).toContain(`${total} USD`);
  }
}, 60_000);

it('its example of a run that does not fit is what the command says', async () => {
  const [, pools] = /\(`(single: [^`]*, node: \{\})`\)/.exec(page)!;
  const { gpus: _, ...run } = parse(weeklyRun) as { gpus: number };
  const document = { gpu: { pools: parse(`{ ${pools} }`) as object }, schedules: [{ cron: '0 3 * * 1', run }] };
  const { code, stderr } = await selm(['deploy', 'doctor', '--config', write('unfit.yaml', document)], {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
    AWS_REGION: 'us-east-1',
  });
  expect(code).toBe(2);
  const [, said] = /```\n(selm: run weekly[^`]*)```/.exec(page)!;
  expect(stderr).toContain(said.trim().replaceAll('\n', ' '));
}, 60_000);

it('its example is a configuration, with the run of its schedule in it', () => {
  write('weekly.yaml', weeklyRun);
  const { schedules, name } = loadDeployConfig(write('deploy.yaml', example));
  expect(name).toBe((parse(example) as { name: string }).name);
  expect(schedules).toMatchObject([
    { cron: '0 3 * * 1', timezone: 'UTC', overlap: 'skip', run: { name: 'weekly', rounds: 3, gpus: 8 } },
  ]);
});

it.each([
  [
    { gpu: { pools: { node: { spots: true } } } },
    'there is no key "gpu.pools.node.spots"; did you mean "gpu.pools.node.spot"?',
  ],
  [{ gpu: { maxWorkers: 2 } }, 'gpu.maxWorkers has moved: give gpu.pools.single.maxWorkers.'],
  [
    { vllm: { image: 'vllm/vllm-openai', model: 'org/model' } },
    'vllm is not a setting any more: GPU workers start vLLM themselves (sample.backend: vllm in a run); remove it.',
  ],
  [
    { gpu: { pools: { node: { instanceType: 'x9.48xlarge', gpus: 4 } } } },
    'gpu.pools.node.instanceType: the size of x9.48xlarge is not known; give gpus, cpu and memoryMiB as well.',
  ],
  [
    { gpu: { pools: { node: { capacityBlock: 'cr-1' } } } },
    'gpu.pools.node.capacityBlock needs gpu.pools.node.availabilityZones with the zone of the capacity block, and no other.',
  ],
  [
    { name: 'Selm!' },
    '"name" cannot be "Selm!": expected at most 21 lower-case letters, digits and "-"; see docs/deployment-settings.md.',
  ],
  [
    { network: { natGateways: 0 }, temporal: cloud },
    'temporal.privateLinkService is missing: without a NAT gateway (network.natGateways: 0) Temporal Cloud is reached by PrivateLink only.',
  ],
  [
    { gpu: { pools: { single: { capacityBlock: 'cr-1' } } } },
    'gpu.pools.single.capacityBlock needs gpu.pools.single.capacity: auto-scaling-group.',
  ],
  [
    { gpu: { pools: { node: { capacityBlock: 'cr-1', availabilityZones: ['us-east-1d'] } } } },
    'gpu.pools.node.availabilityZones: the network has no subnet in us-east-1d; name it, and another zone, in network.availabilityZones.',
  ],
  [
    { gpu: { pools: { node: { instanceType: 'g6e.12xlarge', gpus: 8 } } } },
    'gpu.pools.node.gpus: a g6e.12xlarge has 4.',
  ],
  [
    { gpu: { pools: { single: { idleMinutes: 1441 } } } },
    '"gpu.pools.single.idleMinutes" cannot be 1441: expected number to be <=1440; see docs/deployment-settings.md.',
  ],
  [
    { gpu: { pools: { node: { fallbackMinutes: 1421 } } } },
    '"gpu.pools.node.fallbackMinutes" cannot be 1421: expected number to be <=1420; see docs/deployment-settings.md.',
  ],
  [
    { gpu: { pools: { single: { capacity: 'auto-scaling-group', instanceType: 'g6.xlarge' } } } },
    'gpu.pools.single.memoryMiB: a g6.xlarge has 16384 MiB, and its system and the ECS agent need a part of it, so that a worker with ' +
      '28672 MiB never starts; give at most 90 %.',
  ],
  [
    { gpu: { pools: { node: { instanceType: 'g6e.12xlarge', memoryMiB: 393_216 } } } },
    'gpu.pools.node.memoryMiB: a g6e.12xlarge has 393216 MiB, and its system and the ECS agent need a part of it, so that a worker with ' +
      '393216 MiB never starts; give at most 90 %.',
  ],
  [
    { gpu: { pools: { node: { instanceType: 'g6e.12xlarge', cpu: 98_304 } } } },
    'gpu.pools.node.cpu: 98304 units are more than the 49152 of a g6e.12xlarge.',
  ],
  [
    { gpu: { pools: { node: { instanceType: 'g6e.12xlarge', cacheGb: 1900 } } } },
    'gpu.pools.node.cacheGb: both caches, the image and checkpoints need 3850 GB, and the local disks of a g6e.12xlarge have 3800 GB.',
  ],
  [{ ui: { hostname: 'selm.example.com' } }, '"ui.certificateArn" is missing; see docs/deployment-settings.md.'],
  [
    { ui: { ...publicUi, oidc: { ...publicUi.oidc, issuer: 'http://login.example.com' } } },
    '"ui.oidc.issuer" cannot be "http://login.example.com": expected an https:// address; see docs/deployment-settings.md.',
  ],
  [
    { ui: 'public' },
    '"ui" cannot be "public": expected true, false, or hostname, certificateArn and oidc; see docs/deployment-settings.md.',
  ],
  [{ prices: { natHour: 1 } }, 'there is no key "prices.natHour"; did you mean "prices.natGatewayHour"?'],
  [{ secrets: { A: 'a' }, environment: { A: 'b' } }, 'A is in secrets and in environment; name it once.'],
  [
    { secrets: { HF_TOKEN: 'arn:aws:secretsmanager:us-east-1:111122223333:secret:hub-AbCdEf' } },
    '"secrets.HF_TOKEN" cannot be "arn:aws:secretsmanager:us-east-1:111122223333:secret:hub-AbCdEf": expected the name of a ' +
      'secret in Secrets Manager, not its ARN; see docs/deployment-settings.md.',
  ],
  [
    { temporal: { ...cloud, address: 'https://us-east-1.aws.api.temporal.io' } },
    '"temporal.address" cannot be "https://us-east-1.aws.api.temporal.io": expected host and port, such as ' +
      'us-east-1.aws.api.temporal.io:7233; see docs/deployment-settings.md.',
  ],
  [
    { alarmEmail: 'ops' },
    '"alarmEmail" cannot be "ops": expected an email address, such as ops@example.com; see docs/deployment-settings.md.',
  ],
  [
    { temporal: { kind: 'self-hosted', minAcu: 4 } },
    'temporal.minAcu: 4 is above temporal.maxAcu, which is 2; lower the one or raise the other.',
  ],
  [
    { temporal: { kind: 'self-hosted', minAcu: 0.3 } },
    '"temporal.minAcu" cannot be 0.3: expected steps of 0.5; see docs/deployment-settings.md.',
  ],
  [
    { temporal: { kind: 'self-hosted', minAcu: -0.5 } },
    '"temporal.minAcu" cannot be -0.5: expected 0 to 256; see docs/deployment-settings.md.',
  ],
  [
    { temporal: { kind: 'self-hosted', maxAcu: 0.5 } },
    '"temporal.maxAcu" cannot be 0.5: expected 1 to 256; see docs/deployment-settings.md.',
  ],
  [
    { temporal: { kind: 'self-hosted', maxAcu: 300 } },
    '"temporal.maxAcu" cannot be 300: expected at most 256; see docs/deployment-settings.md.',
  ],
  [
    { control: { cpu: 1024 } },
    'control.memoryMiB: Fargate has no task with cpu: 1024 and 1024 MiB; give 2048 to 8192, in steps of 1024.',
  ],
  [
    { schedules: [{ cron: '0 3 * *', run: './weekly.yaml' }] },
    'schedules.0.cron: "0 3 * *" does not have five fields; give a cron expression such as 0 3 * * 1.',
  ],
  [
    { schedules: [{ cron: '99 77 * * 9', run: './weekly.yaml' }] },
    'schedules.0.cron: "99 77 * * 9" has "99" as the minute; give values from 0 to 59, or ranges and steps of them.',
  ],
  [
    { schedules: [{ cron: 'TZ=Europe/Berlin 0 3 * * 1', run: './weekly.yaml' }] },
    'schedules.0.cron: "TZ=Europe/Berlin 0 3 * * 1" has a time zone besides timezone: UTC; give it as timezone only.',
  ],
  [
    {
      schedules: ['0 3 * * 1', '0 3 * * 2', '0 3 * * 3'].map((cron, day) => ({
        cron,
        run: { ...weekly, ...(day === 1 && { name: 'other' }) },
      })),
    },
    'schedules.0 and schedules.2 both have the run "weekly"; give each run its own name.',
  ],
  [
    { schedules: [{ cron: '0 3 * * 1', timezone: 'Europe/Berln', run: './weekly.yaml' }] },
    'schedules.0.timezone: "Europe/Berln" is not known; give a time zone such as Europe/Berlin.',
  ],
])('%j is refused in one sentence', (document, problem) => {
  expect(() => loadDeployConfig(write('bad.yaml', document))).toThrow(`bad.yaml: ${problem}`);
});

it.each([
  [
    { environment: { TEMPORAL_ADDRESS: 'elsewhere:7233' } },
    'environment.TEMPORAL_ADDRESS: the deployment sets this variable of the workers itself; remove it.',
  ],
  [
    { secrets: { SELM_STORE: 'name-of-secret' } },
    'secrets.SELM_STORE: the deployment sets this variable of the workers itself; remove it.',
  ],
  [
    { environment: { NOTES: 'x'.repeat(64 * 1024) } },
    /^A task definition of selm-control-[\w-]+ would have 6\d KiB, but ECS allows 64: /,
  ],
])('what ECS or the workers would refuse later is refused before a deployment', (document, problem) => {
  expect(() => synthesize(document)).toThrow(problem);
});

it('a mistyped command deploys nothing', async () => {
  const file = write('mistyped.yaml', {});
  const { code, stderr } = await selm(['deploy', 'staus', '--config', file], {});
  expect([code, stderr]).toEqual([2, 'selm: selm deploy has no command "staus"; see selm deploy --help.\n']);
});

it('a run that names what workers do not see is refused by the command', async () => {
  write('local.yaml', { ...weekly, model: './model' });
  const file = write('local-deploy.yaml', { schedules: [{ cron: '0 3 * * 1', run: './local.yaml' }] });
  const { code, stderr } = await selm(['deploy', '--config', file, '--context'], {});
  expect([code, stderr]).toEqual([
    2,
    `selm: ${join(folder, 'local.yaml')}: model is the path ./model, which workers in AWS cannot read; give a hub id, or leave it out.\n`,
  ]);
});
