/** Stopping a deployment with `temporal.stopped` and continuing it, with AWS's services as moto implements them: no version is lost. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CloudFormationClient, CreateStackCommand, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { CreateServiceCommand, ECSClient, RegisterTaskDefinitionCommand } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkDeployment } from '../../cdk/build.ts';
import { loadDeployConfig } from '../../config/load-deployment.ts';
import { selm } from '../command.ts';
import { startMoto } from '../moto.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const OTHER = '1-aaaaaaaa';
let moto: Awaited<ReturnType<typeof startMoto>>;
let [cloudFormation, ecs] = [] as unknown as [CloudFormationClient, ECSClient];

beforeAll(async () => {
  moto = await startMoto();
  Object.assign(process.env, moto.env);
  cloudFormation = new CloudFormationClient({});
  ecs = new ECSClient({});
  const containerDefinitions = [{ name: 'worker', image: 'selm', memory: 512 }];
  await ecs.send(new RegisterTaskDefinitionCommand({ family: 'control', containerDefinitions }));
});
afterAll(() => moto.stop());

/** Writes the configuration of a deployment. @returns its file and the version that it makes */
function configure(name: string, stopped: boolean) {
  const file = join(folder, `${name}.yaml`);
  const images = { control: 'registry/selm', gpu: 'registry/selm-gpu' };
  writeFileSync(file, JSON.stringify({ name, images, temporal: { kind: 'self-hosted', stopped } }));
  return { file, id: checkDeployment(loadDeployConfig(file)).id };
}

/** Creates the stacks of a deployment, with these versions and the number of their control workers. */
async function deployed(name: string, current: string, versions: { id: string; count: number; stopped: boolean }[]) {
  const log = { Logs: { Type: 'AWS::Logs::LogGroup', Properties: {} } };
  const cluster = { Cluster: { Type: 'AWS::ECS::Cluster', Properties: { ClusterName: name } } };
  const create = (StackName: string, Resources: object, outputs: Record<string, string>) => {
    const Outputs = Object.fromEntries(Object.entries(outputs).map(([id, Value]) => [id, { Value }]));
    const TemplateBody = JSON.stringify({ Resources, Outputs });
    const Tags = [{ Key: 'selm-deployment', Value: name }];
    return cloudFormation.send(new CreateStackCommand({ StackName, TemplateBody, Tags }));
  };
  await create(`${name}-cluster`, cluster, { ControlCluster: name, Version: current });
  for (const { id, count, stopped } of versions) {
    const suffix = id.replaceAll('.', '-');
    for (const part of ['control', 'gpu'])
      await create(`${name}-${part}-${suffix}`, log, { Version: id, ...(stopped && { Stopped: 'true' }) });
    const service = { serviceName: `control-${suffix}`, taskDefinition: 'control', desiredCount: count };
    await ecs.send(new CreateServiceCommand({ cluster: name, ...service }));
  }
}

const stacksOf = async (name: string) =>
  (await cloudFormation.send(new DescribeStacksCommand({})))
    .Stacks!.filter(
      ({ StackName, StackStatus }) => StackName!.startsWith(`${name}-`) && StackStatus !== 'DELETE_COMPLETE',
    )
    .map(({ StackName }) => StackName!)
    .sort();

it.each([
  ['that is current', 'a', (): string => OTHER],
  ["that CDK's own command has replaced", 'b', (id: string) => id],
])('another version is not deployed beside a stopped one %s, whose stacks stay', async (_, name, currentOf) => {
  const { file, id } = configure(name, false);
  await deployed(name, currentOf(id), [{ id: OTHER, count: 0, stopped: true }]);
  const before = await stacksOf(name);
  const { code, stderr } = await selm(['deploy', '--config', file], moto.env);
  expect([code, stderr]).toEqual([
    2,
    `selm: Version ${OTHER} is stopped, and its runs continue on it only, but the configuration makes version ${id}: deploy the ` +
      'configuration of the stopped version without temporal.stopped first, with the selm and the images of that version.\n',
  ]);
  expect(await stacksOf(name)).toEqual(before);
  const { stdout } = await selm(['deploy', 'status', '--config', file], moto.env);
  expect(stdout).toContain(
    `Version ${OTHER}: stopped (its runs continue when it is deployed without temporal.stopped).\n`,
  );
});

it('a stopped version continues', async () => {
  const { file, id } = configure('c', false);
  await deployed('c', id, [{ id, count: 0, stopped: true }]);
  const before = await stacksOf('c');
  const { stdout, stderr } = await selm(['deploy', '--config', file], moto.env);
  // moto is no AWS to deploy to: CDK fails after it has made the templates of this configuration.
  expect(stdout + stderr).toContain('Synthesis time');
  expect(stdout + stderr).toContain('c-storage');
  expect(await stacksOf('c')).toEqual(before);
});

it('a deployment is not stopped with another version than the current one', async () => {
  const { file, id } = configure('d', true);
  await deployed('d', OTHER, [{ id: OTHER, count: 1, stopped: false }]);
  const { code, stderr } = await selm(['deploy', '--config', file], moto.env);
  expect([code, stderr]).toEqual([
    2,
    `selm: temporal.stopped: the configuration makes version ${id}, but version ${OTHER} is current; ` +
      'deploy the other changes first, without temporal.stopped, or take them back.\n',
  ]);
});
