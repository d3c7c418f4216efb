/**
 * Runs the task definition of the self-hosted Temporal server as processes, against a PostgreSQL server with TLS, and does a run through
 * it. The programs of the server's images run here in the same version, and the shell is BusyBox, as in the images, without other programs.
 */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { missingAttributes } from '../../workers/temporal/search-attributes.ts';
import { findTemporal } from '../../workers/dev-server/temporal-binary.ts';
import { runWorkflowId } from '../../workflows/ids.ts';
import { selm } from '../command.ts';
import { findBusyBox } from '../debian-packages.ts';
import { startPostgres, type Postgres } from '../postgres.ts';
import { temporaryFolder } from '../temporary.ts';
import { findTemporalServer } from '../temporal-server.ts';
import { makeCertificates, startTlsProxy } from '../tls-proxy.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { LocalTask, type ContainerDefinition, type Machine } from './local-task.ts';
import { resourcesOf, synthesize } from './variants.ts';

const NAMESPACE = 'alignment';
/** All characters that Secrets Manager may use in the generated password: printable ASCII without the excluded ones. */
const PASSWORD = 'aZ0!#&()*+,-.:;<=>?[]^_{|}~';
/** Services of the server that listen on further ports, by the prefix of their variables. */
const SERVICES = ['FRONTEND', 'HISTORY', 'MATCHING', 'WORKER'];

const folder = temporaryFolder();
const tls = { hostname: 'temporal.example.com', certificateArn: 'arn:aws:acm:us-east-1:111122223333:certificate/0123' };
const settings = { namespace: NAMESPACE, retentionDays: 7, dynamicConfig: { 'limit.maxIDLength': 100 }, tls };
const stacks = synthesize({ temporal: { kind: 'self-hosted', ...settings } });
const [definition] = resourcesOf(
  stacks.filter(({ name }) => name === 'selm-temporal'),
  'AWS::ECS::TaskDefinition',
);
const containers: ContainerDefinition[] = definition.Properties['ContainerDefinitions'];
const schema = containers.find(({ Name }) => Name === 'schema')!;

const certificates = makeCertificates(folder, ['DNS:localhost']);
let postgres: Postgres;
let ports: Record<string, number>;
let machine: Machine;
let task: LocalTask;
let client: Client;

/** The file system of the images, as far as the commands use it: BusyBox, Temporal's programs, the entry point, and /tmp. */
async function makeImage(): Promise<string> {
  const programs = join(folder, 'bin');
  for (const name of [programs, join(folder, 'tmp')]) mkdirSync(name);
  execFileSync(await findBusyBox(), ['--install', '-s', programs]);
  const server = await findTemporalServer();
  for (const name of ['temporal-server', 'temporal-sql-tool']) symlinkSync(join(server, name), join(programs, name));
  symlinkSync(await findTemporal(console.error), join(programs, 'temporal'));
  // Does what the entry point of the image does (temporalio/temporal, docker/scripts/sh/entrypoint.sh).
  const entryPoint = [
    '#!/bin/sh',
    'set -eu',
    'own=$(hostname -i | cut -d " " -f 1)',
    'export BIND_ON_IP="${BIND_ON_IP:-$own}"',
    'if [ "$BIND_ON_IP" = 0.0.0.0 ]; then export TEMPORAL_BROADCAST_ADDRESS="${TEMPORAL_BROADCAST_ADDRESS:-$own}"; fi',
    'exec temporal-server start',
  ];
  writeFileSync(join(folder, 'entrypoint.sh'), entryPoint.join('\n'), { mode: 0o755 });
  return programs;
}

/** A free port that fits into the database's type for ports (smallint). The ports that the system chooses do not. */
async function lowPort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_768);
    const probe = createServer().listen(port, '0.0.0.0');
    const free = await once(probe, 'listening').then(
      () => true,
      () => false,
    );
    probe.close();
    if (free) return port;
  }
}

/**
 * What is replaced: the database's address and certificate, paths of the image, ports, which may be in use on this
 * machine, and pauses, which are shorter.
 */
async function makeMachine(programs: string): Promise<Machine> {
  const names = SERVICES.flatMap((service) => [`${service}_GRPC_PORT`, `${service}_MEMBERSHIP_PORT`]);
  ports = Object.fromEntries(
    await Promise.all([...names, 'FRONTEND_HTTP_PORT'].map(async (name) => [name, await lowPort()] as const)),
  );
  const replaced: [RegExp, string][] = [
    [/\/tmp\//g, `${folder}/tmp/`],
    [/\/etc\/temporal\/entrypoint\.sh/g, `${folder}/entrypoint.sh`],
    [/\b7233\b/g, String(ports['FRONTEND_GRPC_PORT'])],
    [/\b7243\b/g, String(ports['FRONTEND_HTTP_PORT'])],
    [/^5432$/g, String(postgres.port)],
    [/\bsleep 5\b/g, 'sleep 1'],
  ];
  return {
    imageCommand: { server: ['/etc/temporal/entrypoint.sh'] },
    resolve(reference) {
      const text = JSON.stringify(reference);
      if (text.includes('"Endpoint.Address"')) return 'localhost';
      if (text.includes('"DatabaseRoots"')) return readFileSync(certificates.ca, 'utf8');
      throw new Error(`No value for ${text}.`);
    },
    secrets: { SQL_PASSWORD: PASSWORD, POSTGRES_PWD: PASSWORD },
    rewrite: (text) => replaced.reduce((rest, [pattern, value]) => rest.replaceAll(pattern, () => value), text),
    environment: {
      PATH: programs,
      // The container runtime sets it to the home folder of the image's user.
      HOME: folder,
      ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)])),
    },
  };
}

const schemaVersion = (database: string) =>
  postgres.query(`SELECT curr_version FROM schema_version WHERE db_name = '${database}'`, database);

beforeAll(async () => {
  const programs = await makeImage();
  postgres = await startPostgres(folder, certificates.server);
  // As RDS creates them: a user who may create databases, and the first database.
  postgres.query(`CREATE ROLE temporal LOGIN CREATEDB PASSWORD '${PASSWORD}'`);
  postgres.query('CREATE DATABASE temporal OWNER temporal');
  machine = await makeMachine(programs);
  task = new LocalTask(containers, machine);
});
afterAll(async () => {
  await client?.connection.close();
  await task?.stop();
  await postgres?.stop();
});

/** Runs a schema container alone. @returns its output */
async function updateSchema(container: typeof schema, changes: Partial<Machine>): Promise<string> {
  const alone = new LocalTask([container], { ...machine, ...changes });
  await alone.start();
  const code = await alone.endOf('schema');
  if (code !== 0) throw new Error(alone.log('schema'));
  return alone.log('schema');
}

/** Updates the schema with another value for the references that contain `kind`, without retries. */
const attemptWith = (kind: string, value: string) =>
  updateSchema(schema, {
    rewrite: (text) => machine.rewrite(text.replace('$(seq 20)', '1')),
    resolve: (reference) => (JSON.stringify(reference).includes(kind) ? value : machine.resolve(reference)),
  });

it('refuses a database whose certificate is of another authority, or for another host', async () => {
  mkdirSync(join(folder, 'other'));
  const other = makeCertificates(join(folder, 'other'), ['DNS:localhost']);
  await expect(attemptWith('"DatabaseRoots"', readFileSync(other.ca, 'utf8'))).rejects.toThrow('unknown authority');
  await expect(attemptWith('"Endpoint.Address"', '127.0.0.1')).rejects.toThrow(
    /cannot validate certificate for 127\.0\.0\.1|is not valid for|doesn't contain any IP SANs/,
  );
});

async function connect(): Promise<void> {
  const address = `127.0.0.1:${ports['FRONTEND_GRPC_PORT']}`;
  client = new Client({ connection: await Connection.connect({ address }), namespace: NAMESPACE });
}

describe('a deployment on the database of an older version', () => {
  let loadBalancer: string;
  let loadBalancerCa: string;

  beforeAll(async () => {
    const [command] = schema.Command!;
    const older = command
      .split('\ntemporal-sql-tool --database temporal_visibility setup')[0]
      .replace('postgresql/v12/temporal', 'postgresql/v12/temporal --version 1.17');
    await updateSchema({ ...schema, Command: [older] }, {});
    expect(schemaVersion('temporal')).toBe('1.17');
    await task.start();
    await connect();
    // Stands for the load balancer, which ends TLS.
    const certificate = join(folder, 'load-balancer');
    mkdirSync(certificate);
    const balancer = makeCertificates(certificate, [`DNS:${tls.hostname}`]);
    loadBalancer = await startTlsProxy(`127.0.0.1:${ports['FRONTEND_GRPC_PORT']}`, balancer, {});
    loadBalancerCa = readFileSync(balancer.ca, 'utf8');
  });

  it('updates the schema, and registers the namespace and the search attributes', async () => {
    // The server refuses to start with a schema that is too old for it.
    expect(schemaVersion('temporal')).not.toBe('1.17');
    const sessions = postgres.query(
      "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'temporal'",
    );
    expect(sessions).toBe('t');
    const { config } = await client.workflowService.describeNamespace({ namespace: NAMESPACE });
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(7 * 24 * 60 * 60);
    expect(await missingAttributes(client)).toEqual([]);
    // The dynamic configuration's limit; by default it is 1000.
    const tooLong = client.workflow.start('any', { workflowId: 'w'.repeat(101), taskQueue: 'none' });
    await expect(tooLong).rejects.toMatchObject({ cause: { details: expect.stringContaining('exceeds') } });
  });

  it("does a run, whose workers connect by TLS with a control worker's variables", async () => {
    tinyModel(join(folder, 'model'));
    const rows = tinyPrompts(24).map((row) => `${JSON.stringify(row)}\n`);
    writeFileSync(join(folder, 'train.jsonl'), rows.join(''));
    const file = join(folder, 'tiny.yaml');
    const run = {
      name: 'tiny',
      model: './model',
      prompts: { train: './train.jsonl', heldOut: 8 },
      rounds: 1,
      sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 },
      optimize: { learningRate: 1e-3, batchSize: 4 },
      evaluate: { maxNewTokens: 12 },
    };
    writeFileSync(file, stringify(run));
    const control = resourcesOf(stacks, 'AWS::ECS::TaskDefinition')
      .flatMap(({ Properties }) => Properties['ContainerDefinitions'])
      .find(({ Command }) => Command?.includes('control'));
    const variables = (control.Environment as { Name: string; Value: string }[])
      .filter(({ Name }) => Name.startsWith('TEMPORAL_'))
      .map(({ Name, Value }) => [Name, Value]);
    expect(Object.fromEntries(variables)).toMatchObject({ TEMPORAL_ADDRESS: `${tls.hostname}:7233` });
    const { code, stderr } = await selm(['run', file, '--json'], {
      ...Object.fromEntries(variables),
      SELM_HOME: join(folder, 'home'),
      // These stand for the network's DNS, and for an authority that every client trusts.
      TEMPORAL_ADDRESS: loadBalancer,
      TEMPORAL_TLS_SERVER_NAME: tls.hostname,
      TEMPORAL_TLS_SERVER_CA_CERT_DATA: loadBalancerCa,
    });
    expect(code, stderr).toBe(0);
    const { status, searchAttributes } = await client.workflow.getHandle(runWorkflowId('tiny')).describe();
    expect(status.name).toBe('COMPLETED');
    expect(searchAttributes['SelmRun']).toEqual(['tiny']);
  });

  it('keeps the runs when another deployment replaces the server', async () => {
    await client.connection.close();
    await task.stop();
    task = new LocalTask(containers, machine);
    await task.start();
    await connect();
    const { status } = await client.workflow.getHandle(runWorkflowId('tiny')).describe();
    expect(status.name).toBe('COMPLETED');
  });
});
