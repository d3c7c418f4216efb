/** What Temporal's users expect of runs: search attributes, summaries, current details, and turns of runs that share a worker. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { Client, Connection, type WorkflowExecutionInfo } from '@temporalio/client';
import { NativeConnection, type WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { joinDevServer, leaveDevServer } from '../../workers/dev-server/dev-server.ts';
import { retryRun } from '../../workers/runs/decisions.ts';
import { readRecord } from '../../workers/runs/history.ts';
import { decodePayload } from '../../workers/temporal/payloads.ts';
import { RunList } from '../../workers/runs/run-list.ts';
import { startRun } from '../../workers/runs/runs.ts';
import { explainMissing, missingAttributes, registerAttributes } from '../../workers/temporal/search-attributes.ts';
import { namespaceId } from '../../workers/store-servers.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import { roundWorkflowId } from '../../workflows/ids.ts';
import { selm, summaryOf } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { temporaryFolder } from '../temporary.ts';
import {
  badInput,
  bundleWorkflows,
  silenceTemporal,
  StandIns,
  testConfig,
  withWorkers,
} from '../workflows/stand-ins.ts';

const home = join(temporaryFolder(), 'home');
let bundle: WorkflowBundleOption;
beforeAll(async () => {
  vi.stubEnv('SELM_HOME', home);
  mkdirSync(home);
  silenceTemporal();
  bundle = await bundleWorkflows();
});
afterAll(async () => {
  await leaveDevServer();
  vi.unstubAllEnvs();
});

async function connect(address: string) {
  const connection = await Connection.connect({ address, connectTimeout: '60s' });
  // A server listens before its namespace is there.
  await expect.poll(() => namespaceId(connection, 'default').catch(() => undefined)).toBeDefined();
  const nativeConnection = await NativeConnection.connect({ address });
  const close = () => Promise.all([connection.close(), nativeConnection.close()]);
  return { client: new Client({ connection }), server: { environment: { nativeConnection }, bundle }, close };
}

async function list(client: Client, query: string): Promise<WorkflowExecutionInfo[]> {
  const found: WorkflowExecutionInfo[] = [];
  for await (const execution of client.workflow.list({ query })) found.push(execution);
  return found;
}
/** The server's list lags behind. */
const listed = (client: Client, query: string) =>
  expect.poll(async () => (await list(client, query)).map(({ workflowId }) => workflowId).sort());

const attributesOf = ({ typedSearchAttributes }: Pick<WorkflowExecutionInfo, 'typedSearchAttributes'>) =>
  Object.fromEntries(
    typedSearchAttributes
      .getAll()
      .flatMap(({ key, value }) => (key.name.startsWith('Selm') ? [[key.name, value]] : [])),
  );

describe('a run on the embedded server', () => {
  it('is found by its search attributes, and shows where it is and what its activities are for', async () => {
    const { client, server, close } = await connect(await joinDevServer(() => {}));
    const standIns = new StandIns();
    standIns.before.prefer = (times) => {
      if (times === 1) throw badInput('None of the 8 prompts got a preference.');
    };
    await withWorkers(server, standIns, async () => {
      const config = testConfig({ name: 'shown', rounds: 2, sample: { shardSize: 4 } });
      const { handle } = await startRun(client, config);
      await listed(client, "SelmRun = 'shown' AND SelmState = 'parked' AND SelmRound = 1").toEqual(['selm-shown']);
      const details = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
      expect(details.currentDetails).toBe(
        `**parked**, round 1 of 2\n- label failed: None of the 8 prompts got a preference.\n` +
          `- policy: \`${(await handle.query(runStatusQuery)).policy}\``,
      );
      await retryRun(client, 'shown');
      const status = await handle.result();

      const rounds = [1, 2].map((round) => roundWorkflowId('selm-shown', round));
      await listed(client, "SelmRun = 'shown'").toEqual(['selm-shown', rounds[0], rounds[0], rounds[1]]);
      await listed(client, "SelmState = 'done' AND SelmWinRate > 0.6").toEqual(['selm-shown']);
      const [run] = await list(client, `SelmPolicy = '${status.policy}'`);
      expect(attributesOf(run)).toEqual({
        SelmRun: 'shown',
        SelmRound: 2,
        SelmState: 'done',
        SelmPolicy: status.results[1].policy,
        SelmWinRate: 0.625,
      });
      const [round] = await list(client, `WorkflowId = '${rounds[1]}'`);
      expect(attributesOf(round)).toEqual({ SelmRun: 'shown', SelmRound: 2 });

      const description = await client.workflow.getHandle(rounds[1]).describe();
      expect(await description.staticSummary()).toBe('round 2 of 2');
      const { events } = await client.workflow.getHandle(rounds[1]).fetchHistory();
      const summaries = await Promise.all(
        events!
          .filter((event) => event.activityTaskScheduledEventAttributes)
          .map(async ({ userMetadata, activityTaskScheduledEventAttributes: scheduled }) => [
            scheduled!.activityType!.name,
            await decodePayload<string>(client, userMetadata!.summary),
          ]),
      );
      expect(summaries).toEqual([
        ['sample', 'round 2 · sample shard 1/2'],
        ['sample', 'round 2 · sample shard 2/2'],
        ['label', 'round 2 · label shard 1/2'],
        ['label', 'round 2 · label shard 2/2'],
        ['prefer', 'round 2 · label'],
        ['reference', 'round 2 · reference shard 1/2'],
        ['reference', 'round 2 · reference shard 2/2'],
        ['optimize', 'round 2 · optimize'],
        ...['sample', ...Array.from({ length: 2 }, () => ['divergence', 'labelHeldOut', 'labelHeldOut', 'evaluate'])]
          .flat()
          .map((name) => [name, `round 2 · evaluate${name === 'evaluate' ? '' : ' shard 1/1'}`]),
      ]);

      const { activities } = await readRecord(client, 'shown');
      const steps = ['sample', 'label', 'reference', 'optimize', 'evaluate'];
      expect([...new Set(activities.map(({ round: number, step }) => `${number ?? ''} ${step}`))]).toEqual([
        ' prepare',
        ' start',
        ...[1, 2].flatMap((number) => steps.map((step) => `${number} ${step}`)),
        ' release',
      ]);
    });
    // Now there is no worker.
    await startRun(client, testConfig({ name: 'waiting' }));
    await listed(client, "SelmRun = 'waiting'").toEqual(['selm-waiting']);
    const { runs } = await new RunList(client).read();
    expect(runs.map(({ name, state, lastKnown }) => [name, state, lastKnown])).toEqual([
      ['waiting', 'unanswered', 'preparing'],
      ['shown', 'done', undefined],
    ]);
    await client.workflow.getHandle('selm-waiting').terminate();
    await close();
  });

  it('shares a worker with another run by turns, however many activities that one has waiting', async () => {
    const { client, server, close } = await connect(await joinDevServer(() => {}));
    const standIns = new StandIns(24);
    const [big, small] = [1, 2].map((seed) =>
      testConfig({ name: `fair-${seed}`, seed, rounds: 1, sample: { shardSize: seed === 1 ? 1 : 4 } }),
    );
    const order: string[] = [];
    const sampled = (run: string) => order.filter((other) => other === run).length;
    /** Whether the small run has a sample in the queue. */
    const isWaiting = async () => {
      const ids = ['selm-fair-2', 'selm-fair-2/round-1'];
      const executions = await Promise.all(
        ids.map((id) =>
          client.workflow
            .getHandle(id)
            .describe()
            .catch(() => undefined),
        ),
      );
      return executions
        .flatMap((execution) => execution?.raw.pendingActivities ?? [])
        .some(({ activityType, lastStartedTime }) => activityType!.name === 'sample' && !lastStartedTime);
    };
    let begin!: () => void;
    const began = new Promise<void>((resolve) => (begin = resolve));
    standIns.before.sample = async (_, { seed }) => {
      // Rounds' seeds are 1001 and 2001, that of held-out prompts is 0.
      if (seed === 2001) order.push('small');
      if (seed !== 1001) return;
      order.push('big');
      begin();
      // Each of the big run's shards holds the worker until the small run waits for it, so that the order is the server's choice.
      while (sampled('small') < 6 && !(await isWaiting())) {
        Context.current().heartbeat();
        await sleep(20);
      }
    };
    const gpu = { maxConcurrentActivityTaskExecutions: 1 };
    await withWorkers(
      server,
      standIns,
      async () => {
        // Its start is measured before the small run begins.
        const first = await startRun(client, big);
        await began;
        const second = await startRun(client, small);
        await Promise.all([first.handle.result(), second.handle.result()]);
      },
      gpu,
    );
    await close();
    expect([sampled('big'), sampled('small')]).toEqual([24, 6]);
    // First come, first served would take all of the big run's shards before the first of the small one's.
    const between = order.slice(order.indexOf('small'), order.lastIndexOf('small') + 1);
    expect(between.filter((run) => run === 'big').length, order.join(' ')).toBeLessThanOrEqual(8);
    expect(order.indexOf('small'), order.join(' ')).toBeLessThan(12);
  });
});

it('a server that is killed loses none of the activities that are queued', async () => {
  const address = await joinDevServer(() => {});
  const { client, server, close } = await connect(address);
  const standIns = new StandIns(24);
  const killed: string[] = [];
  standIns.before.sample = async (_, { seed }) => {
    if (seed === 0 || killed.length > 0) return;
    const { pid } = JSON.parse(readFileSync(join(home, 'server.json'), 'utf8')) as { pid: number };
    process.kill(pid, 'SIGKILL');
    killed.push(await joinDevServer(() => {}));
  };
  await withWorkers(
    server,
    standIns,
    async () => {
      const config = testConfig({ name: 'survivor', rounds: 1, sample: { shardSize: 1 } });
      const { handle } = await startRun(client, config);
      const state = () => handle.describe().then(({ status }) => status.name, String);
      await expect.poll(state).toBe('COMPLETED');
    },
    { maxConcurrentActivityTaskExecutions: 1 },
  );
  await close();
  expect(killed).toEqual([address]);
});

describe('a server without the search attributes', () => {
  let server: DevServer;
  afterAll(() => server.stop());

  it('runs all the same, and gets them when they are registered', async () => {
    server = await startDevServer();
    const { client, server: workers, close } = await connect(server.address);
    const names = ['SelmRun', 'SelmRound', 'SelmState', 'SelmPolicy', 'SelmWinRate'];
    expect(await missingAttributes(client)).toEqual(names);
    const sentence = explainMissing(names, 'default');
    expect(sentence).toMatch(
      /^Temporal's namespace default does not have the search attributes SelmRun, .*: runs work, /,
    );
    expect(sentence).toContain('search-attribute create --namespace default --name SelmRun --type Keyword --name');
    const doctor = await selm(['doctor', '--json'], { SELM_HOME: home, TEMPORAL_ADDRESS: server.address });
    expect(summaryOf<{ checks: object[] }>(doctor).checks).toContainEqual({
      what: 'search attributes',
      found: sentence,
    });
    await withWorkers(workers, new StandIns(), async () => {
      const { handle } = await startRun(client, testConfig({ name: 'plain' }));
      expect((await handle.result()).state).toBe('done');
      expect(attributesOf(await handle.describe())).toEqual({});

      await registerAttributes(client);
      expect(await missingAttributes(client)).toEqual([]);
      // The start waits until the server uses them.
      const again = await startRun(client, testConfig({ name: 'plain' }));
      await again.handle.result();
      expect(attributesOf(await again.handle.describe())).toMatchObject({ SelmRun: 'plain', SelmState: 'done' });
    });
    await close();
  });
});

it('a database from before fairness keeps its task queues as they are', async () => {
  const settings = () =>
    execFileSync('ps', ['-A', '-ww', '-o', 'args='], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(`--db-filename ${join(home, 'temporal.db')}`))
      .map((line) => line.includes('matching.enableFairness=true'));
  await joinDevServer(() => {});
  expect(settings()).toEqual([true]);
  await leaveDevServer();
  await joinDevServer(() => {});
  expect(settings()).toEqual([true]);
  await leaveDevServer();
  // As an earlier version of selm has left it.
  rmSync(join(home, 'server.fairness'));
  await joinDevServer(() => {});
  expect(settings()).toEqual([false]);
  expect(existsSync(join(home, 'server.fairness'))).toBe(false);
});
