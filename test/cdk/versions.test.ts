/** Versions of the workers: what makes another one, and that a deployment changes no service in place. */
import { expect, it } from 'vitest';
import { buildDeployment, createApp } from '../../cdk/build.ts';
import { hashOfWorkers } from '../../cdk/versions.ts';
import { checkDeployConfig } from '../../config/load-deployment.ts';
import { temporaryFolder } from '../temporary.ts';
import { cloud, normalized, synthesize, VARIANTS, type SynthesizedStack } from './variants.ts';

const folder = temporaryFolder();
const base = { ...VARIANTS['web pages, 1 NAT'], images: { control: 'registry/selm:1', gpu: 'registry/selm:1-gpu' } };

/** Names of the stacks by their part of the deployment, as CloudFormation gets them. */
function stackNames(document: object): Record<string, string> {
  const app = createApp({ outdir: folder });
  buildDeployment(app, checkDeployConfig(document, 'test'));
  const { stacksRecursively } = app.synth();
  return Object.fromEntries(stacksRecursively.map(({ id, stackName }) => [id, stackName]));
}

const names = stackNames(base);
const schedule = {
  cron: '0 3 * * 1',
  run: { name: 'weekly', model: 'org/m', prompts: { train: 'org/d', heldOut: 9 } },
};

it('the stacks of the workers have the version and a hash in their names, the others do not', () => {
  const suffix = names['selm-gpu'].slice('selm-gpu-'.length);
  expect(suffix).toMatch(/^1-2-3-[0-9a-f]{8}$/);
  expect(names).toEqual({
    'selm-network': 'selm-network',
    'selm-storage': 'selm-storage',
    'selm-cluster': 'selm-cluster',
    'selm-control': `selm-control-${suffix}`,
    'selm-gpu': `selm-gpu-${suffix}`,
    'selm-ui': 'selm-ui',
    'selm-observability': 'selm-observability',
  });
});

it.each([
  ['another version', { version: '1.2.4' }],
  ['another image', { images: { control: 'registry/selm:1', gpu: 'registry/selm:2-gpu' } }],
  ['another variable', { environment: { NCCL_DEBUG: 'INFO' } }],
  ['another secret', { secrets: { HF_TOKEN: 'hub-token' } }],
  ['another Temporal namespace', { temporal: { ...cloud, namespace: 'other.a1b2c' } }],
  ['another size of the control worker', { control: { memoryMiB: 2048 } }],
])('%s makes new stacks of workers, and so leaves the services of running workers alone', (_, change) => {
  const changed = stackNames({ ...base, ...change });
  for (const stack of ['selm-control', 'selm-gpu']) expect(changed[stack]).not.toBe(names[stack]);
  for (const stack of ['selm-network', 'selm-storage', 'selm-cluster', 'selm-ui', 'selm-observability'])
    expect(changed[stack]).toBe(names[stack]);
});

const typed = (stacks: SynthesizedStack[], name: string, types: string[]) =>
  Object.entries(stacks.find((stack) => stack.name === name)!.template.Resources).filter(([, { Type }]) =>
    types.includes(Type),
  );
const before = synthesize(base);
const tasks = ['AWS::ECS::Service', 'AWS::ECS::TaskDefinition', 'AWS::ECS::CapacityProvider'];

it('schedules keep the version: they change a variable of the control worker, and nothing of the GPU workers', () => {
  const document = { ...base, schedules: [schedule] };
  expect(stackNames(document)).toEqual(names);
  const after = synthesize(document);
  const changed = after.filter((stack, i) => normalized(stack) !== normalized(before[i])).map(({ name }) => name);
  expect(changed).toEqual(['selm-control']);
});

it('a stopped server keeps the version, and changes no task of the GPU workers', () => {
  const [running, stopped] = [false, true].map((value) => ({
    ...base,
    temporal: { kind: 'self-hosted', stopped: value },
  }));
  expect(stackNames(stopped)).toEqual(stackNames(running));
  expect(typed(synthesize(stopped), 'selm-gpu', tasks)).toEqual(typed(synthesize(running), 'selm-gpu', tasks));
});

const hashOf = (...resources: object[]) => hashOfWorkers([{ Resources: { ...resources } as never }]);

it("scaling limits are not a part of a version's hash; anything else is", () => {
  const service = { Type: 'AWS::ECS::Service', Properties: { DesiredCount: 0, PlatformVersion: 'LATEST' } };
  const group = { Type: 'AWS::AutoScaling::AutoScalingGroup', Properties: { MaxSize: '4', MinSize: '0' } };
  const target = { Type: 'AWS::ApplicationAutoScaling::ScalableTarget', Properties: { MaxCapacity: 4 } };
  const hash = hashOf(service, group, target);
  expect(hashOf(service, { ...group, Properties: { MaxSize: '8', MinSize: '0' } }, { ...target, Properties: {} })).toBe(
    hash,
  );
  expect(hashOf(service, { ...group, Properties: { MaxSize: '4', MinSize: '1' } }, target)).not.toBe(hash);
  expect(hashOf({ ...service, Properties: { PlatformVersion: '1.4' } }, group, target)).not.toBe(hash);
});

it('the shared cluster names the current version, and metrics and tasks name it', () => {
  const [cluster] = typed(before, 'selm-cluster', ['AWS::ECS::Cluster']).map(([, resource]) => resource);
  const id = names['selm-gpu'].slice('selm-gpu-'.length).replace('1-2-3', '1.2.3');
  expect(cluster.Properties['Tags']).toContainEqual({ Key: 'selm-version', Value: id });
  const text = (name: string) => JSON.stringify(before.find((stack) => stack.name === name)!.template);
  for (const name of ['selm-control', 'selm-gpu', 'selm-observability']) expect(text(name)).toContain(id);
});

it('no log group and no key but that of the artifacts outlives its stack', () => {
  for (const { name, template } of before) {
    for (const { Type, DeletionPolicy } of Object.values(template.Resources)) {
      if (Type === 'AWS::Logs::LogGroup') expect(DeletionPolicy).toBe('Delete');
      if (Type === 'AWS::KMS::Key') expect(DeletionPolicy).toBe(name === 'selm-storage' ? 'Retain' : 'Delete');
    }
  }
});
