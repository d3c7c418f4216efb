/** The pools of GPU workers in the templates. */
import { beforeAll, describe, expect, it } from 'vitest';
import { INSTANCE_TYPES } from '../../config/deployment/instance-types.ts';
import { resourcesOf, synthesize, VARIANTS, type Resource, type SynthesizedStack } from './variants.ts';

/** Managed instances of one GPU, and g6e.48xlarge on spot; and p5.48xlarge in a capacity block, beside an Auto Scaling group of one GPU. */
const [NODE, BLOCK] = ['node, 1 NAT', 'everything'];
const stacks: Record<string, SynthesizedStack[]> = {};
beforeAll(() => {
  for (const name of [NODE, BLOCK]) stacks[name] = synthesize(VARIANTS[name]);
});

const gpuStack = (name: string) => stacks[name].find((stack) => stack.name === 'selm-gpu')!;
const inGpuStack = (name: string, type: string) => resourcesOf([gpuStack(name)], type);

interface Task {
  properties: Resource['Properties'];
  container: Resource['Properties'];
  variables: Record<string, string>;
}

/** The tasks of a stack's GPU workers. */
const tasksOf = (name: string): Task[] =>
  inGpuStack(name, 'AWS::ECS::TaskDefinition').map(({ Properties: properties }) => {
    const [container, ...others] = properties['ContainerDefinitions'] as Resource['Properties'][];
    expect(others).toEqual([]);
    const variables = (container['Environment'] as { Name: string; Value: string }[]).map(({ Name, Value }) => [
      Name,
      Value,
    ]);
    return { properties, container, variables: Object.fromEntries(variables) as Record<string, string> };
  });
const nodeTasks = (name: string) => tasksOf(name).filter(({ variables }) => variables['SELM_POOL'] === 'node');

it('each pool has capacities, services, limits and a worker role of its own', () => {
  const kinds = tasksOf(NODE).map(({ variables, container }) => [
    variables['SELM_POOL'],
    variables['SELM_CAPACITY'],
    (container['Command'] as string[]).slice(0, 3),
  ]);
  expect(kinds).toEqual([
    ['single', 'spot', ['worker', '--role', 'gpu']],
    ['single', 'on-demand', ['worker', '--role', 'gpu']],
    ['node', 'spot', ['worker', '--role', 'node']],
    ['node', 'on-demand', ['worker', '--role', 'node']],
  ]);
  const services = inGpuStack(NODE, 'AWS::ECS::Service').map(({ Properties }) => Properties);
  const used = services.map(({ CapacityProviderStrategy: [{ CapacityProvider }] }) => JSON.stringify(CapacityProvider));
  expect(new Set(used).size).toBe(4);
  const providers = inGpuStack(NODE, 'AWS::ECS::CapacityProvider').map(({ Properties }) => Properties);
  expect(providers.map((provider) => 'ManagedInstancesProvider' in provider)).toEqual([true, true, false, false]);
  const limits = inGpuStack(NODE, 'AWS::ApplicationAutoScaling::ScalableTarget').map(
    ({ Properties }) => Properties['MaxCapacity'] as number,
  );
  expect(limits).toEqual([4, 4, 1, 1]);
  // A capacity block is neither spot nor on-demand.
  expect(new Set(nodeTasks(BLOCK).map(({ variables }) => variables['SELM_CAPACITY']))).toEqual(new Set(['on-demand']));
});

it.each([
  [NODE, 'g6e.48xlarge'],
  [BLOCK, 'p5.48xlarge'],
])('%s: one container has all GPUs of a %s, with what NCCL and vLLM need', (name, type) => {
  const { vcpus, memoryGib, gpus } = INSTANCE_TYPES[type];
  expect(nodeTasks(name).length).toBeGreaterThan(0);
  for (const { properties, container, variables } of nodeTasks(name)) {
    expect(container['ResourceRequirements']).toEqual([{ Type: 'GPU', Value: String(gpus) }]);
    expect(Number(properties['Cpu'])).toBe(vcpus * 1024);
    const memory = Number(properties['Memory']) / 1024 / memoryGib;
    expect([memory > 0.85, memory < 0.93]).toEqual([true, true]);
    expect(container['LinuxParameters']).toMatchObject({ InitProcessEnabled: true, SharedMemorySize: 16_384 });
    expect(container['Ulimits']).toEqual([
      { Name: 'memlock', SoftLimit: -1, HardLimit: -1 },
      { Name: 'stack', SoftLimit: 67_108_864, HardLimit: 67_108_864 },
      { Name: 'nofile', SoftLimit: 65_536, HardLimit: 65_536 },
    ]);
    expect(variables['NCCL_CUMEM_HOST_ENABLE']).toBe('0');
  }
  const templates = inGpuStack(name, 'AWS::EC2::LaunchTemplate').map(
    ({ Properties }) => Properties['LaunchTemplateData'],
  );
  expect(templates.map(({ InstanceType }) => InstanceType as string)).toContain(type);
  // One machine needs no EFA.
  expect(templates.filter((data) => 'NetworkInterfaces' in data)).toEqual([]);
});

it('a worker with one GPU holds LoRA of an 8B model, on the smallest machine with an L40S', () => {
  const [{ properties, container }] = tasksOf(NODE);
  expect(container['ResourceRequirements']).toEqual([{ Type: 'GPU', Value: '1' }]);
  // Managed instances take no size of /dev/shm.
  expect(container['LinuxParameters']).not.toHaveProperty('SharedMemorySize');
  const { vcpus, memoryGib, diskGb } = INSTANCE_TYPES['g6e.xlarge'];
  // 16 GB of weights in the page cache beside 10 GB of processes.
  expect(Number(properties['Memory']) * 2 ** 20).toBeGreaterThan(26e9);
  expect(Number(properties['Memory']) / 1024).toBeLessThanOrEqual(memoryGib - 3);
  expect(Number(properties['Cpu']) / 1024).toBeLessThan(vcpus);
  const [{ Properties }] = inGpuStack(NODE, 'AWS::ECS::CapacityProvider');
  const { InstanceRequirements: needs, StorageConfiguration: storage } =
    Properties['ManagedInstancesProvider'].InstanceLaunchTemplate;
  expect(needs).toMatchObject({ AcceleratorNames: ['l40s'], TotalLocalStorageGB: { Min: storage.StorageSizeGiB } });
  expect(needs.TotalLocalStorageGB.Min).toBeLessThanOrEqual(diskGb);
});

describe.each([NODE, BLOCK])('%s', (name) => {
  it('every folder that a worker writes to is on a writable mount of its task', () => {
    const definitions = resourcesOf(stacks[name], 'AWS::ECS::TaskDefinition').flatMap(
      ({ Properties }) => Properties['ContainerDefinitions'] as Resource['Properties'][],
    );
    const workers = definitions.filter(({ Name }) => Name === 'worker');
    expect(workers.length).toBeGreaterThan(2);
    for (const { Environment, MountPoints, ReadonlyRootFilesystem, Command } of workers) {
      expect(ReadonlyRootFilesystem).toBe(true);
      const mounts = (MountPoints as { ContainerPath: string; ReadOnly: boolean }[])
        .filter(({ ReadOnly }) => !ReadOnly)
        .map(({ ContainerPath }) => ContainerPath);
      const variables = Environment as { Name: string; Value: unknown }[];
      // What lies in the image's /app is only read: the payload codec.
      const folders = variables.filter(
        ({ Value }) => typeof Value === 'string' && Value.startsWith('/') && !Value.startsWith('/app/'),
      );
      for (const { Name, Value } of folders) {
        expect(
          mounts.some((mount) => (Value as string).startsWith(`${mount}/`) || Value === mount),
          Name,
        ).toBe(true);
      }
      const ofAll = ['SELM_HOME', 'SELM_CACHE', 'HF_HOME', 'HOME'];
      const ofGpus = ['XDG_CACHE_HOME', 'VLLM_CACHE_ROOT', 'TORCHINDUCTOR_CACHE_DIR', 'TRITON_CACHE_DIR'];
      const isControl = (Command as string[])[2] === 'control';
      expect(folders.map(({ Name }) => Name)).toEqual(expect.arrayContaining([...ofAll, ...(isControl ? [] : ofGpus)]));
    }
  });

  it('no role has a name that a second region, or a second stack, would take', () => {
    const named = [
      ...resourcesOf(stacks[name], 'AWS::IAM::Role'),
      ...resourcesOf(stacks[name], 'AWS::IAM::InstanceProfile'),
    ]
      .map(({ Properties }) => (Properties['RoleName'] ?? Properties['InstanceProfileName']) as unknown)
      .filter((given) => given !== undefined)
      .map((given) => JSON.stringify(given));
    expect(named.length).toBe(name === NODE ? 4 : 0);
    for (const given of named) {
      expect(given).toContain('{"Ref":"AWS::Region"}');
      expect(given).toContain('{"Ref":"AWS::StackId"}');
      // ECS may pass only such a role to its instances.
      expect(given).toMatch(/^\{"Fn::Join":\["-",\["ecsInstanceRole",/);
    }
  });

  it('tasks cannot take the role of their instance', () => {
    for (const { Properties } of inGpuStack(name, 'AWS::EC2::LaunchTemplate')) {
      const { UserData, MetadataOptions } = Properties['LaunchTemplateData'];
      expect(JSON.stringify(UserData)).toContain('ECS_AWSVPC_BLOCK_IMDS=true >> /etc/ecs/ecs.config');
      expect(MetadataOptions).toEqual({ HttpTokens: 'required' });
    }
  });
});

it.each([NODE, BLOCK])('%s: services on an Auto Scaling group come after its association with the cluster', (name) => {
  const resources = Object.entries(gpuStack(name).template.Resources);
  const [association] = resources.find(([, { Type }]) => Type === 'AWS::ECS::ClusterCapacityProviderAssociations')!;
  const providers = resources.filter(([, { Properties }]) => 'AutoScalingGroupProvider' in (Properties ?? {}));
  const services = resources.filter(([, { Type, Properties }]) =>
    providers.some(
      ([id]) =>
        Type === 'AWS::ECS::Service' && JSON.stringify(Properties['CapacityProviderStrategy']).includes(`"${id}"`),
    ),
  );
  expect(services.length).toBe(2);
  for (const [, { DependsOn }] of services) expect(DependsOn).toContain(association);
});

it('no alarm evaluates more than the day that CloudWatch allows; a capacity block has no spot workers to wait for', () => {
  // PutMetricAlarm: with periods of less than an hour, at most 86,400 seconds.
  const longest = { idleMinutes: 1440, fallbackMinutes: 1420 };
  const long = synthesize({ gpu: { pools: { single: longest, node: longest } } });
  const seconds = resourcesOf(long, 'AWS::CloudWatch::Alarm').map(({ Properties }) => {
    const periods = [
      Properties,
      ...((Properties['Metrics'] ?? []) as Resource['Properties'][]).map((metric) => metric['MetricStat'] ?? metric),
    ];
    return Properties['EvaluationPeriods'] * Math.max(...periods.map(({ Period = 0 }) => Period as number));
  });
  expect(Math.max(...seconds)).toBe(86_400);
  const starved = inGpuStack(BLOCK, 'AWS::CloudWatch::Alarm').filter(({ Properties }) =>
    (Properties['AlarmDescription'] as string).includes('alarm-starved'),
  );
  expect(starved.map(({ Properties }) => Properties['EvaluationPeriods'] as number)).toEqual([20, 20]);
});

it('the instances and tasks of a capacity block are in its zone, all others in all zones', () => {
  const subnets = Object.entries(stacks[BLOCK].find((stack) => stack.name === 'selm-network')!.template.Resources)
    .filter(([id, { Type }]) => Type === 'AWS::EC2::Subnet' && id.startsWith('Vpcprivate'))
    .map(([id, { Properties }]) => ({ id, zone: Properties['AvailabilityZone'] as string }));
  expect(subnets.map(({ zone }) => zone)).toEqual(['us-east-1a', 'us-east-1b']);
  const zonesOf = (imports: unknown[]) =>
    imports.map((value) => subnets.find(({ id }) => JSON.stringify(value).includes(id))!.zone);
  const groups = inGpuStack(BLOCK, 'AWS::AutoScaling::AutoScalingGroup').map(({ Properties }) =>
    zonesOf(Properties['VPCZoneIdentifier']),
  );
  const services = inGpuStack(BLOCK, 'AWS::ECS::Service').map(({ Properties }) =>
    zonesOf(Properties['NetworkConfiguration'].AwsvpcConfiguration.Subnets),
  );
  expect(new Set(services.map(String))).toEqual(new Set(['us-east-1a,us-east-1b', 'us-east-1a']));
  expect(groups).toEqual([['us-east-1a', 'us-east-1b'], ['us-east-1a']]);
});
