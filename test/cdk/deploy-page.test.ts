/** Checks that costs and configuration in docs/deploy.md agree with the code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { checkDeployConfig, loadDeployConfig } from '../../config/load-deployment.ts';
import { idleCost, PAPER_ROUND, roundCost } from '../../cdk/costs.ts';
import { selm } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { runSchema } from '../../config/run.ts';
import { cloud, publicUi, resourcesOf, synthesize, VARIANTS } from './variants.ts';

const folder = temporaryFolder();
const page = readFileSync(new URL('../../docs/deploy.md', import.meta.url), 'utf8');
const example = /```yaml\n( {3}name: selm[^]*?)```/.exec(page)![1].replaceAll(/^ {3}/gm, '');

const weekly = { name: 'weekly', model: 'org/model', prompts: { train: 'org/data', heldOut: 100 } };
const write = (name: string, content: unknown) => {
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  return join(folder, name);
};

const config = (document: object) => checkDeployConfig(document, 'test');

it('its costs are those of cdk/costs.ts', () => {
  const inCloud = config({ temporal: cloud });
  const idle = idleCost(inCloud).usd;
  const round = (capacity: 'spot' | 'on-demand') =>
    roundCost(config({ temporal: cloud, gpu: { instanceType: 'g6e.xlarge' } }), PAPER_ROUND, capacity).usd;
  for (const usd of [
    idle,
    idleCost(config({ temporal: cloud, ui: true })).usd - idle,
    idleCost(config({ temporal: cloud, ui: publicUi })).usd - idle,
    idleCost(config({})).usd - idle,
    round('spot'),
    round('on-demand'),
    idleCost(config({ temporal: { kind: 'self-hosted', stopped: true } })).usd,
  ]) {
    expect(page).toContain(usd.toFixed(2));
  }
});

it('its example is a configuration, with the run of its schedule in it', () => {
  write('weekly.yaml', weekly);
  const { schedules, name } = loadDeployConfig(write('deploy.yaml', example));
  expect(name).toBe((parse(example) as { name: string }).name);
  expect(schedules).toMatchObject([
    { cron: '0 3 * * 1', timezone: 'UTC', overlap: 'skip', run: { name: 'weekly', model: 'org/model', rounds: 3 } },
  ]);
});

it('the server and the model by which it has runs sample are those of the vLLM container', () => {
  const settings = parse(/```yaml\n(sample:[^]*?)```/.exec(page)![1]) as object;
  const { url, model, workers } = runSchema.parse({ ...weekly, ...settings }).sample.server!;
  const containers = resourcesOf(synthesize(VARIANTS['everything']), 'AWS::ECS::TaskDefinition').flatMap(
    ({ Properties }) => Properties['ContainerDefinitions'],
  );
  const { Command: command } = containers.find(({ Name }: { Name: string }) => Name === 'vllm') as {
    Command: string[];
  };
  const valueOf = (flag: string) => command[command.indexOf(flag) + 1];
  expect(`http://${valueOf('--host')}:${valueOf('--port')}/v1`).toBe(url);
  expect([valueOf('--model'), workers]).toEqual([model, 'gpu']);
  expect(command).toContain('--enable-lora');
});

it.each([
  [{ gpu: { spots: true } }, 'there is no key "gpu.spots"; did you mean "gpu.spot"?'],
  [
    { name: 'Selm!' },
    '"name" cannot be "Selm!": expected at most 21 lower-case letters, digits and "-"; see docs/deployment-settings.md.',
  ],
  [
    { network: { natGateways: 0 }, temporal: cloud },
    'temporal.privateLinkService is missing: without a NAT gateway (network.natGateways: 0) Temporal Cloud is reached by PrivateLink only.',
  ],
  [{ gpu: { capacityBlock: 'cr-1' } }, 'gpu.capacityBlock needs gpu.capacity: auto-scaling-group.'],
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
])('%j is refused in one sentence', (document, problem) => {
  expect(() => loadDeployConfig(write('bad.yaml', document))).toThrow(`bad.yaml: ${problem}`);
});

it('a run that names what workers do not see is refused by the command', async () => {
  write('local.yaml', { ...weekly, model: './model' });
  const file = write('local-deploy.yaml', { schedules: [{ cron: '0 3 * * 1', run: './local.yaml' }] });
  const { code, stderr } = await selm(['deploy', '--config', file, '--context'], {});
  expect([code, stderr]).toEqual([
    2,
    `selm: ${join(folder, 'local.yaml')}: model is a folder, which workers in AWS cannot read; give a hub id.\n`,
  ]);
});
