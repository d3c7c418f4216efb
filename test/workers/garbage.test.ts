/** What garbage collection keeps: what runs on all of a store's Temporal servers need, and what released policies do. */
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateSync, inflateSync } from 'node:zlib';
import { Client, Connection } from '@temporalio/client';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { release } from '../../activities/release.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { joinDevServer, leaveDevServer } from '../../workers/dev-server/dev-server.ts';
import { findGarbage, reachedByRuns } from '../../workers/garbage.ts';
import { whileAnswering } from '../../workers/answering.ts';
import { namespaceId, registerServer } from '../../workers/store-servers.ts';
import { CONTROL_QUEUE } from '../../workflows/queues.ts';
import { selm, summaryOf } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const NAMESPACE = 'default';
const [PLAIN, CODED, PENDING] = ['plain', 'coded', 'pending'];

/** A server listens before its namespace is there. */
async function connect(address: string): Promise<Connection> {
  const connection = await Connection.connect({ address, connectTimeout: '60s' });
  while (!(await namespaceId(connection, NAMESPACE).catch(() => undefined))) await sleep(100);
  return connection;
}

let servers: DevServer[];
let connections: Connection[];
beforeAll(async () => {
  servers = [await startDevServer(), await startDevServer({}, [PLAIN, CODED, PENDING])];
  connections = await Promise.all(servers.map(({ address }) => connect(address)));
});
afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  servers.forEach((server) => server.stop());
});

const addressesOfRuns = async (client: Client) => [...(await reachedByRuns(client)).addresses];

afterEach(() => void vi.unstubAllEnvs());

let root: string;
let store: LocalStore;
beforeEach(({ task }) => {
  root = join(folder, task.id);
  store = new LocalStore(root);
});
const make = (seed: number, from: string[] = []) =>
  store.create('text', { step: 'write', parameters: {}, inputs: { from }, seed, engineVersion: '1' }, async (target) =>
    writeFileSync(join(target, 'text'), `text ${seed}`),
  );
const later = () => new Date(Date.now() + 60_000);
const age = (address: string) => {
  const hourAgo = new Date(Date.now() - 3600_000);
  utimesSync(join(root, 'objects', address), hourAgo, hourAgo);
};

/** Starts a run that knows an address; no worker takes it. */
const startRun = (client: Client, name: string, address: string) =>
  client.workflow.start('alignment', {
    workflowId: `selm-${name}`,
    taskQueue: 'nobody',
    args: [{ deep: [{ artifact: address }] }],
  });

/** As an operator may have one, for encryption say. */
const codec: PayloadCodec = {
  encode: async (payloads) =>
    payloads.map((payload) => ({
      metadata: { encoding: Buffer.from('binary/deflated') },
      data: deflateSync(
        JSON.stringify([
          Buffer.from(payload.metadata!['encoding']).toString(),
          Buffer.from(payload.data!).toString('base64'),
        ]),
      ),
    })),
  decode: async (payloads) =>
    payloads.map((payload): Payload => {
      const [encoding, data] = JSON.parse(inflateSync(payload.data!).toString()) as [string, string];
      return { metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(data, 'base64') };
    }),
};

const connected = (namespace: string) => ({ connection: connections[1], namespace });
/** The list of runs lags behind their start. */
const listed = (client: Client) => expect.poll(() => addressesOfRuns(client));

describe('the addresses of runs', () => {
  test('are read with the data converter in use; where that cannot decode a payload, it is an error', async () => {
    const plain = new Client(connected(PLAIN));
    const address = 'ab'.repeat(32);
    await startRun(plain, 'plain', address);
    await listed(plain).toEqual([address]);

    const coded = new Client({ ...connected(CODED), dataConverter: { payloadCodecs: [codec] } });
    const other = 'cd'.repeat(32);
    await startRun(coded, 'coded', other);
    await listed(coded).toEqual([other]);
    await expect(addressesOfRuns(new Client(connected(CODED)))).rejects.toThrow(
      /^The history of selm-coded cannot be decoded \(.*binary\/deflated.*\), so what it needs is unknown: nothing is removed\.$/,
    );
  });
});

test('a block of shards of a run, which has a random id, names the artifacts of its shards until it ends', async () => {
  const client = new Client({ connection: connections[1], namespace: PENDING });
  const address = 'ef'.repeat(32);
  const block = await client.workflow.start('shardBlock', {
    workflowId: randomUUID(),
    taskQueue: 'nobody',
    args: [{ shared: {}, shards: [{ responses: address }] }],
  });
  await listed(client).toContain(address);
  await block.terminate();
});

describe('what an activity under way may have made', () => {
  test('is kept, for the history does not name it yet', async () => {
    const old = await make(1);
    const client = new Client({ connection: connections[1], namespace: PENDING });
    vi.stubEnv('TEMPORAL_ADDRESS', servers[1].address);
    vi.stubEnv('TEMPORAL_NAMESPACE', PENDING);
    const config = {
      name: 'pending',
      model: 'm',
      prompts: {},
      label: { by: 'verifier' },
      sample: {},
      optimize: {},
      evaluate: {},
      rounds: 1,
      seed: 0,
    };
    const handle = await whileAnswering(async () => {
      const started = await client.workflow.start('alignment', {
        workflowId: 'selm-pending',
        taskQueue: CONTROL_QUEUE,
        args: [config],
      });
      // Its first activity waits: no worker takes it.
      await expect.poll(() => reachedByRuns(client).then((reached) => reached.pendingSince)).toBeDefined();
      return started;
    });
    age(old);
    const made = await make(2);
    const garbage = async () =>
      (await findGarbage(store, () => reachedByRuns(client), later())).map(({ address }) => address);
    expect(await garbage()).toEqual([old]);
    await handle.terminate();
    await expect.poll(async () => (await garbage()).sort()).toEqual([old, made].sort());
  });
});

const context = () => ({ store }) as unknown as Parameters<typeof release>[0];

test('votes of people are kept, and what they are about, without any run', async () => {
  const [responses, orphan] = [await make(1), await make(2)];
  const recipe = { step: 'storeVotes', parameters: {}, inputs: { responses }, seed: 0, engineVersion: 'test' };
  await store.create('votes', recipe, async (target) => writeFileSync(join(target, 'votes.jsonl'), ''));
  const garbage = await findGarbage(store, async () => ({ addresses: [] }), later());
  expect(garbage.map(({ address }) => address)).toEqual([orphan]);
});

describe('a released policy', () => {
  test('keeps its evaluations, which verify and report read, without any run', async () => {
    const [policy, heldOut, answers, orphan] = [await make(1), await make(2), await make(3), await make(4)];
    const evaluation = await make(5, [answers]);
    await release(
      context(),
      { name: 'poet', policy, heldOut, prompts: [], evaluations: [evaluation], lineage: {} },
      {},
    );
    const garbage = await findGarbage(store, async () => ({ addresses: [] }), later());
    expect(garbage.map(({ address }) => address)).toEqual([orphan]);
    const address = (await store.resolveName('poet', 1))!;
    expect((await store.manifest(address)).recipe.inputs['evaluations']).toEqual([evaluation]);
  });

  test('of an earlier version has them in its lineage', async () => {
    const [policy, heldOut, evaluation] = [await make(1), await make(2), await make(3)];
    const lineage = { run: 'poet', results: [{ policy, artifacts: { evaluation } }] };
    await release(context(), { name: 'poet', policy, heldOut, prompts: [], evaluations: [], lineage }, {});
    expect(await findGarbage(store, async () => ({ addresses: [] }), later())).toEqual([]);
  });
});

const collect = (env: Record<string, string>, ...flags: string[]) =>
  selm(['gc', '--delete', '--keep-days', '0', '--json', ...flags], {
    SELM_STORE: root,
    SELM_HOME: join(root, 'home'),
    ...env,
  });

const use = (index: number) =>
  registerServer(store, connections[index], { address: servers[index].address, namespace: NAMESPACE });

describe('selm gc --delete', () => {
  test("asks the servers of the store's runs, all of them, or removes nothing", async () => {
    const [needed, orphan] = [await make(1), await make(2)];
    const client = new Client({ connection: connections[0] });
    await startRun(client, 'live', needed);
    await expect.poll(() => addressesOfRuns(client)).toContain(needed);
    const [right, wrong] = servers.map(({ address }) => ({ TEMPORAL_ADDRESS: address }));
    const here = () => readdirSync(join(root, 'objects')).sort();

    const unknown = await collect(right);
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      expect.stringMatching(/^selm: Nothing is removed: this store does not know the Temporal server of its runs\./),
    ]);

    await use(0);
    const other = await collect(wrong);
    expect([other.code, other.stdout]).toEqual([2, '']);
    expect(other.stderr).toContain(
      `runs on other Temporal servers use this store: ${servers[0].address}, namespace default (`,
    );
    // Without a server in the environment, it is a new one in SELM_HOME, which knows of no run.
    const own = await collect({});
    expect([own.code, own.stderr]).toEqual([2, expect.stringContaining('Nothing is removed: runs on other Temporal')]);
    expect(here()).toEqual([needed, orphan].sort());

    // Only what is older than a minute is removed.
    for (const address of [needed, orphan]) age(address);
    const young = await make(3);

    await use(1);
    const id = await namespaceId(connections[1], NAMESPACE);
    const half = await collect(right);
    expect([half.code, half.stderr]).toEqual([2, expect.stringContaining(`servers/${id} from the store`)]);
    expect(here()).toEqual([needed, orphan, young].sort());

    // Work under way may write nothing for hours.
    const [hours, days] = [3 * 3600_000, 3 * 24 * 3600_000];
    const nameOf = { unfinished: () => randomUUID(), checkpoints: () => randomBytes(32).toString('hex') };
    const leftovers = (['unfinished', 'checkpoints'] as const).flatMap((place) =>
      [hours, days].map((age) => ({ path: join(root, place, nameOf[place]()), age })),
    );
    for (const { path, age: since } of leftovers) {
      mkdirSync(path, { recursive: true });
      utimesSync(path, new Date(Date.now() - since), new Date(Date.now() - since));
    }
    const file = join(root, 'temporal.toml');
    mkdirSync(root, { recursive: true });
    writeFileSync(file, `[profile.second]\naddress = "${servers[1].address}"\n`);
    const missing = await collect({ ...right, TEMPORAL_CONFIG_FILE: file }, '--profile', 'third');
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringMatching(/^selm: --profile third: .*not found/)]);
    const both = await collect({ ...right, TEMPORAL_CONFIG_FILE: file }, '--profile', 'second');
    expect(summaryOf<object>(both)).toMatchObject({ artifacts: [orphan], leftovers: 2 });
    expect(here()).toEqual([needed, young].sort());
    expect(leftovers.filter(({ path }) => existsSync(path)).map(({ age: since }) => since)).toEqual([hours, hours]);
  });

  test('starts the embedded servers of other folders on this machine, and says what to do where one is not there', async () => {
    const [here, there, moved] = ['here', 'there', 'moved'].map((name) => join(root, name));
    const [needed, orphan] = [await make(1), await make(2)];
    vi.stubEnv('SELM_HOME', there);
    const address = await joinDevServer(() => {});
    const connection = await connect(address);
    await registerServer(store, connection, { address, namespace: NAMESPACE });
    const client = new Client({ connection });
    await startRun(client, 'live', needed);
    await expect.poll(() => addressesOfRuns(client)).toContain(needed);
    const id = await namespaceId(connection, NAMESPACE);
    await connection.close();
    await leaveDevServer();
    for (const made of [needed, orphan]) age(made);

    renameSync(there, moved);
    const lost = await collect({ SELM_HOME: here });
    expect([lost.code, lost.stderr]).toEqual([
      2,
      `selm: Nothing is removed: runs on other Temporal servers use this store: the embedded server of ${there} on ${hostname()}: its database is not there. If the folder was moved, run SELM_HOME=FOLDER selm gc with its new place, which is recorded then; if it was deleted, remove servers/${id} from the store.\n`,
    ]);
    await selm(['gc'], { SELM_STORE: root, SELM_HOME: moved });

    const found = await collect({ SELM_HOME: here });
    expect(found.stderr).toContain(`Reading the runs of ${moved}.`);
    expect(summaryOf<{ artifacts: string[] }>(found).artifacts).toEqual([orphan]);
  });

  test.each(['', 'Infinity', '-1', '1e30', 'x'])('--keep-days %j is refused', async (days) => {
    const { code, stderr } = await selm(['gc', '--delete', '--keep-days', days], { SELM_STORE: root });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^selm: --keep-days .*is not valid: .+; see --help\.\n$/),
    ]);
  });
});
