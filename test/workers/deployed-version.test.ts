/** Control workers of two versions, with a real Temporal server and moto's ECS: which one is current, and what a drained one does. */
import { join } from 'node:path';
import {
  CreateClusterCommand,
  CreateServiceCommand,
  DescribeServicesCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  TagResourceCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scheduleId } from '../../workers/runs/schedules.ts';
import { startMoto } from '../moto.ts';
import { selm, startSelm, stopAll, type Running } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
let server: DevServer;
let client: Client;
let ecs: ECSClient;
let env: Record<string, string>;
let cluster: string;
let moto: Awaited<ReturnType<typeof startMoto>>;
const workers: Running[] = [];

beforeAll(async () => {
  server = await startDevServer({
    'matching.wv.VersionDrainageStatusVisibilityGracePeriod': '1s',
    'matching.wv.VersionDrainageStatusRefreshInterval': '1s',
  });
  client = new Client({ connection: await Connection.connect({ address: server.address, connectTimeout: '30s' }) });
  moto = await startMoto();
  env = { ...moto.env, TEMPORAL_ADDRESS: server.address, SELM_DEPLOYMENT: 'test' };
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' };
  ecs = new ECSClient({ endpoint: moto.url, region: 'us-east-1', credentials });
  cluster = (await ecs.send(new CreateClusterCommand({ clusterName: 'test' }))).cluster!.clusterArn!;
  const containerDefinitions = [{ name: 'worker', image: 'selm', memory: 512 }];
  await ecs.send(new RegisterTaskDefinitionCommand({ family: 'control', containerDefinitions }));
  for (const serviceName of ['control-v1', 'control-v2'])
    await ecs.send(new CreateServiceCommand({ cluster, serviceName, taskDefinition: 'control', desiredCount: 1 }));
});

afterAll(async () => {
  await stopAll(workers);
  await client.connection.close();
  server.stop();
  await moto.stop();
});

/** Does what CloudFormation does first: the tag of the cluster names the version. */
const name = (value: string) =>
  ecs.send(new TagResourceCommand({ resourceArn: cluster, tags: [{ key: 'selm-version', value }] }));

function start(buildId: string, hour: number): Running {
  const run = { name: 'weekly', model: 'org/model', prompts: { train: 'org/data', heldOut: 8 } };
  const worker = startSelm(['worker', '--role', 'control', '--deployment', 'test', '--build-id', buildId], {
    ...env,
    SELM_HOME: join(folder, buildId),
    SELM_STORE: join(folder, 'store'),
    SELM_SCHEDULES: JSON.stringify([{ cron: `0 ${hour} * * 1`, run }]),
    SELM_ECS_CLUSTER: cluster,
    SELM_ECS_SERVICE: `control-${buildId}`,
  });
  workers.push(worker);
  return worker;
}

const deployment = async () => {
  const request = { namespace: 'default', deploymentName: 'test' };
  return (await client.workflowService.describeWorkerDeployment(request)).workerDeploymentInfo!;
};
const currentVersion = async () =>
  (await deployment().catch(() => undefined))?.routingConfig?.currentDeploymentVersion?.buildId;
const hourOfSchedule = async () => {
  const described = await client.schedule.getHandle(scheduleId('weekly')).describe();
  return described.spec.calendars?.[0]?.hour?.[0]?.start;
};
const counts = async () => {
  const { services } = await ecs.send(new DescribeServicesCommand({ cluster, services: ['control-v1', 'control-v2'] }));
  return services!.map(({ desiredCount }) => desiredCount);
};
const slowly = { interval: 500 };

it('the version that the cluster names becomes current and declares its schedules', async () => {
  await name('v1');
  start('v1', 3);
  await expect.poll(currentVersion, slowly).toBe('v1');
  await expect.poll(() => hourOfSchedule().catch(() => undefined), slowly).toBe(3);
});

it('the next version takes over; the drained one stops its service', async () => {
  await name('v2');
  start('v2', 5);
  await expect.poll(currentVersion, slowly).toBe('v2');
  await expect.poll(hourOfSchedule, slowly).toBe(5);
  await expect.poll(counts, slowly).toEqual([0, 1]);
});

it('a worker of the earlier version that starts again takes nothing back', async () => {
  const [first] = workers.splice(0, 1);
  first.process.kill('SIGTERM');
  await first.ended;
  const again = start('v1', 3);
  // It has looked when it has stopped its service again.
  await ecs.send(new UpdateServiceCommand({ cluster, service: 'control-v1', desiredCount: 1 }));
  await expect.poll(counts, slowly).toEqual([0, 1]);
  expect([await currentVersion(), await hourOfSchedule()]).toEqual(['v2', 5]);
  expect(again.process.exitCode).toBeNull();
});

it('a cluster without a service is refused', async () => {
  const { code, stderr } = await selm(['worker', '--role', 'control'], { ...env, SELM_ECS_CLUSTER: cluster });
  expect([code, stderr.split('\n').at(-2)]).toEqual([
    2,
    'selm: SELM_ECS_CLUSTER and SELM_ECS_SERVICE belong together: set both, or neither.',
  ]);
});
