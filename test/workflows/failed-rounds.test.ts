/** Failures in runs, and the decisions of operators. Runs on Temporal's test server, which skips waiting times. */
import { WorkflowFailedError } from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import { spentFailure } from '../../activities/spent.ts';
import type { LengthSettings } from '../../activities/prompts/limits.ts';
import { hashValue } from '../../artifacts/hash.ts';
import { InputError } from '../../data/errors.ts';
import { TrainingDiverged } from '../../engine/protocol/errors.ts';
import { decide, retryRun } from '../../workers/runs/decisions.ts';
import { startRun, type RunHandle } from '../../workers/runs/runs.ts';
import { runStatusQuery } from '../../workflows/alignment.ts';
import type { RunConfig } from '../../config/run.ts';
import { decisionLines } from '../../report/decisions.ts';
import { roundNotes } from '../../report/rounds.ts';
import { pauseUpdate, resumeUpdate, retryUpdate, skipUpdate, stopUpdate } from '../../workflows/decisions.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { timeSkippingServer } from './server.ts';
import { badInput, StandIns, testConfig, withWorkers } from './stand-ins.ts';
import { ArtifactDamaged } from '../../artifacts/errors.ts';

const server = timeSkippingServer();

let runs = 0;

/** Starts a run and calls `test` with it. */
async function withRun(
  standIns: StandIns,
  changes: object,
  test: (run: RunHandle, config: RunConfig) => Promise<void>,
) {
  const config = testConfig({ name: `test-${++runs}`, ...changes });
  await withWorkers(server, standIns, async () => {
    const { handle } = await startRun(server.environment.client, config);
    try {
      await test(handle, config);
    } finally {
      await handle.terminate().catch(() => {});
    }
  });
}

/** Skips time, one minute per poll, until the run is in this state. */
async function until(run: RunHandle, state: RunStatus['state']): Promise<RunStatus> {
  for (let looks = 0; looks < 60; looks++) {
    const status = await run.query(runStatusQuery);
    if (status.state === state) return status;
    await server.environment.sleep('1 minute');
  }
  throw new Error(`The run did not come to be ${state}.`);
}

const refused = async (decision: Promise<void>): Promise<string> => {
  const error = await decision.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(InputError);
  return (error as Error).message;
};

const seconds = (from: string, to: string) => (Date.parse(to) - Date.parse(from)) / 1000;

/** An activity that fails until the test repairs it. */
function broken(
  name: 'prefer' | 'optimize' | 'publish' | 'sample',
  error: () => Error = () => new Error('the disk is full'),
) {
  const standIns = new StandIns();
  const fault = { mended: false };
  standIns.before[name] = () => {
    if (!fault.mended) throw error();
  };
  return { standIns, fault };
}

/** The failure of an activity whose training diverged. */
const diverged = () => spentFailure(new TrainingDiverged('Training diverged at step 1.'), { seconds: 1 });

const noPreference = () => badInput('None of the 8 prompts got a preference.');

/** A run in which the activity's n-th call lasts until `release` is called. */
function held(activity: 'sample' | 'optimize', call: number) {
  const standIns = new StandIns();
  let [release, reached] = [() => {}, () => {}];
  const released = new Promise<void>((resolve) => (release = resolve));
  const underWay = new Promise<void>((resolve) => (reached = resolve));
  standIns.before[activity] = (times) => {
    if (times !== call) return;
    reached();
    return released;
  };
  return { standIns, underWay, release };
}

/** A run whose first round samples until `release` is called. */
const sampling = () => held('sample', 2);

const damaged = () => new ArtifactDamaged('0123456789abcdef', 'adapter.safetensors was changed');

describe('a round that fails', () => {
  test('parks when the retries of an activity are exhausted, and says what, where, since when and why', async () => {
    const { standIns, fault } = broken('optimize');
    await withRun(standIns, {}, async (run, { name }) => {
      const { failure, round } = await until(run, 'parked');
      expect(failure).toEqual({
        round: 1,
        step: 'optimize',
        activity: 'optimize',
        message: 'the disk is full',
        type: 'Error',
        since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
      });
      expect(round).toBe(1);
      expect(standIns.callsOf('optimize')).toHaveLength(10);

      fault.mended = true;
      await retryRun(server.environment.client, name);
      const { state, results, failure: gone } = await run.result();
      expect([state, results.length, gone]).toEqual(['done', 2, undefined]);
    });
  });

  test('parks at once on bad input, and names the step where an activity belongs to several', async () => {
    const standIns = new StandIns();
    standIns.before.sample = (times) => {
      // The third call samples the responses of the round's policy to the held-out prompts.
      if (times === 3) throw badInput('Prompt p1 is too long.');
    };
    await withRun(standIns, {}, async (run) => {
      const { failure } = await until(run, 'parked');
      expect(failure).toMatchObject({ step: 'evaluate', activity: 'sample', message: 'Prompt p1 is too long.' });
      expect(standIns.callsOf('sample')).toHaveLength(3);
    });
  });

  test('can be tried again with other settings, which hold for the rounds after it as well', async () => {
    const { standIns, fault } = broken('prefer', noPreference);
    await withRun(standIns, { optimize: { learningRate: 1e-3 } }, async (run, { name }) => {
      await until(run, 'parked');
      fault.mended = true;
      await retryRun(server.environment.client, name, {
        settings: {
          'optimize.learningRate': 1e-4,
          'sample.temperature': 1,
        },
      });
      await run.result();
      const rates = standIns
        .callsOf('optimize')
        .map(({ training }) => (training as { learningRate: number }).learningRate);
      expect(rates).toEqual([1e-4, 1e-4]);
      expect(
        standIns.callsOf('sample').map(({ settings }) => (settings as { temperature: number }).temperature),
      ).toEqual([0, 0, 1, 0, 1, 0]);
    });
  });

  test('has its prompts checked again where settings that they were checked by change, and parks before it computes anything', async () => {
    const { standIns, fault } = broken('prefer', noPreference);
    const tooLong = "Prompt 1 of the round's prompts has 500 tokens.";
    standIns.before.recheck = (_, { limits }) => {
      if ((limits as LengthSettings).sample.maxNewTokens === 4000) throw badInput(tooLong);
    };
    await withRun(standIns, {}, async (run, { name }) => {
      await until(run, 'parked');
      fault.mended = true;
      const sampled = standIns.callsOf('sample').length;
      await retryRun(server.environment.client, name, { settings: { 'sample.maxNewTokens': 4000 } });
      const { failure } = await until(run, 'parked');
      expect(failure).toMatchObject({ round: 1, activity: 'recheck', message: tooLong });
      expect(standIns.callsOf('sample')).toHaveLength(sampled);
      await retryRun(server.environment.client, name, {
        settings: {
          'sample.maxNewTokens': 40,
          'label.verdict': 'loose',
        },
      });
      expect((await run.result()).state).toBe('done');
      const checks = { limits: { sample: { maxNewTokens: 40 } }, label: { by: 'verifier', verdict: 'loose' } };
      const expected = [1, 2].map((round) => ({
        ...checks,
        heldOut: hashValue('held out'),
        prompts: hashValue(`prompts of round ${round}`),
      }));
      expect(standIns.callsOf('recheck').slice(1)).toMatchObject(expected);
    });
  });

  test('keeps its prompts unchecked where other settings change', async () => {
    const { standIns, fault } = broken('prefer', noPreference);
    await withRun(standIns, {}, async (run, { name }) => {
      await until(run, 'parked');
      fault.mended = true;
      await retryRun(server.environment.client, name, {
        settings: {
          'optimize.learningRate': 1e-4,
          'label.truncated': 'drop',
        },
      });
      await run.result();
      expect(standIns.callsOf('recheck')).toEqual([]);
    });
  });

  test('can be redone from an earlier round, whose result is then replaced', async () => {
    const standIns = new StandIns();
    standIns.before.optimize = (times) => {
      if (times === 2) throw badInput('The loss is not finite.');
    };
    await withRun(standIns, { optimize: { learningRate: 1e-3 } }, async (run, { name }) => {
      await until(run, 'parked');
      await retryRun(server.environment.client, name, { round: 1, settings: { 'optimize.learningRate': 1e-4 } });
      const { results } = await run.result();
      expect(results.map(({ round }) => round)).toEqual([1, 2]);
      const [first, , redone, second] = standIns.callsOf('optimize');
      expect([first, redone].map(({ training }) => (training as { learningRate: number }).learningRate)).toEqual([
        1e-3, 1e-4,
      ]);
      expect(second.policy).toBe(results[0].policy);
      expect(standIns.callsOf('prepare')).toHaveLength(1);
    });
  });

  test('can be redone after its gate has stopped the run, which then goes on', async () => {
    const standIns = new StandIns();
    standIns.before.optimize = (times) => void (standIns.unchanged = times === 1);
    standIns.before.benchmark = (times) => {
      if (times === 2) throw badInput('lm-eval is not installed.');
    };
    const evaluate = { benchmarks: ['ifeval'], benchmarksWhen: 'every-round', gate: { onFail: 'stop' } };
    await withRun(standIns, { evaluate }, async (run, { name }) => {
      await until(run, 'parked');
      await retryRun(server.environment.client, name, { round: 1, settings: { 'optimize.learningRate': 1e-4 } });
      const { state, results } = await run.result();
      expect([state, results.map(({ accepted }) => accepted)]).toEqual(['done', [true, true]]);
    });
  });

  test('can be skipped: the next starts from the last accepted policy', async () => {
    const { standIns, fault } = broken('prefer', noPreference);
    await withRun(standIns, {}, async (run, { name }) => {
      const { policy } = await until(run, 'parked');
      fault.mended = true;
      await decide(server.environment.client, name, skipUpdate);
      const { results, skipped } = await run.result();
      expect([results.map(({ round }) => round), skipped]).toEqual([[2], [1]]);
      expect(standIns.callsOf('optimize')).toMatchObject([{ policy }]);
    });
  });

  test('can be the last: the run stops and publishes the last accepted policy', async () => {
    const standIns = new StandIns();
    standIns.before.prefer = (times) => {
      if (times === 2) throw noPreference();
    };
    await withRun(standIns, { output: '/policy' }, async (run, { name }) => {
      await until(run, 'parked');
      await decide(server.environment.client, name, stopUpdate);
      const { state, results } = await run.result();
      expect([state, results.length]).toEqual(['stopped', 1]);
      expect(standIns.callsOf('publish')).toMatchObject([{ policy: results[0].policy, folder: '/policy' }]);
    });
  });
});

describe('before the first round and after the last', () => {
  test('bad input ends the run', async () => {
    const standIns = new StandIns();
    standIns.before.prepare = () => {
      throw badInput('train.jsonl is empty.');
    };
    await withRun(standIns, {}, async (run) => {
      await expect(run.result()).rejects.toBeInstanceOf(WorkflowFailedError);
    });
  });

  test('any other failure parks the run, which cannot skip', async () => {
    const { standIns, fault } = broken('sample');
    await withRun(standIns, {}, async (run, { name }) => {
      const { failure } = await until(run, 'parked');
      expect(failure).toMatchObject({ step: 'start', activity: 'sample' });
      expect(failure).not.toHaveProperty('round');
      expect(await refused(decide(server.environment.client, name, skipUpdate))).toBe(
        `Run "${name}" cannot skip start: retry or stop.`,
      );
      fault.mended = true;
      await retryRun(server.environment.client, name);
      expect((await run.result()).state).toBe('done');
    });
  });

  test('a policy that cannot be published is released before, and the run ends and says so', async () => {
    const { standIns } = broken('publish', () => badInput('/policy holds something else.'));
    await withRun(standIns, { output: '/policy' }, async (run, { name }) => {
      const status = await run.result();
      expect(status).toMatchObject({ state: 'done', version: 1, results: [{ round: 1 }, { round: 2 }] });
      expect(status.publication).toBe(
        `The policy is not in /policy (/policy holds something else.). selm export --model ${name}@1 --out FOLDER writes it.`,
      );
      expect(status).not.toHaveProperty('failure');
      expect(roundNotes(status)).toContain(status.publication);
      const [release, publish] = ['release', 'publish'].map((activity) =>
        standIns.calls.findIndex((call) => call.name === activity),
      );
      expect(release).toBeLessThan(publish);
    });
  });

  test('a publication is retried by itself', async () => {
    const { standIns, fault } = broken('publish');
    const fail = standIns.before.publish!;
    standIns.before.publish = (times, input) => {
      fault.mended = times === 3;
      return fail(times, input);
    };
    await withRun(standIns, { output: '/policy' }, async (run) => {
      const status = await run.result();
      expect([status.state, standIns.callsOf('publish').length]).toEqual(['done', 3]);
      expect(status).not.toHaveProperty('publication');
    });
  });
});

describe('onFailure', () => {
  test('retries by itself, waiting twice as long each time, then parks', async () => {
    const { standIns } = broken('prefer');
    const starts: number[] = [];
    const fail = standIns.before.prefer!;
    standIns.before.prefer = async (times, input) => {
      if (times % 10 === 1) starts.push(await server.environment.currentTimeMs());
      fail(times, input);
    };
    await withRun(standIns, { onFailure: { retries: 2, backoff: 3600 } }, async (run) => {
      const waits: number[] = [];
      for (let looks = 0; looks < 60 && standIns.callsOf('prefer').length < 30; looks++) {
        const { failure } = await run.query(runStatusQuery);
        if (failure?.retryAt) waits.push(seconds(failure.since, failure.retryAt));
        await server.environment.sleep('10 minutes');
      }
      expect(new Set(waits)).toEqual(new Set([3600, 7200]));
      // Before each wait, the activity has ten attempts, which take four minutes.
      const [first, second] = [starts[1] - starts[0], starts[2] - starts[1]];
      expect(first / 1000).toBeGreaterThan(3600);
      expect(first / 1000).toBeLessThan(3600 + 300);
      expect(second / 1000).toBeGreaterThan(7200);
      expect(second / 1000).toBeLessThan(7200 + 300);
      const { failure } = await until(run, 'parked');
      expect(failure).not.toHaveProperty('retryAt');
      expect(starts).toHaveLength(3);
    });
  });

  test('waits a day at most', async () => {
    const { standIns } = broken('optimize', diverged);
    await withRun(standIns, { onFailure: { retries: 3, backoff: 80_000 } }, async (run) => {
      const waits: number[] = [];
      for (let retries = 0; retries < 3; retries++) {
        const { failure } = await until(run, 'parked');
        waits.push(seconds(failure!.since, failure!.retryAt!));
        await server.environment.sleep('25 hours');
      }
      expect(waits).toEqual([80_000, 86_400, 86_400]);
    });
  });

  test('does not try bad input again', async () => {
    const { standIns } = broken('prefer', noPreference);
    await withRun(standIns, { onFailure: { retries: 2, backoff: 1 } }, async (run) => {
      expect((await until(run, 'parked')).failure).not.toHaveProperty('retryAt');
      await server.environment.sleep('1 hour');
      expect(standIns.callsOf('prefer')).toHaveLength(1);
    });
  });

  test('counts for a training that diverged, which its activity does not retry', async () => {
    const { standIns } = broken('optimize', diverged);
    await withRun(standIns, { onFailure: { retries: 1, backoff: 60 } }, async (run) => {
      const { failure } = await until(run, 'parked');
      expect(failure).toMatchObject({
        step: 'optimize',
        type: 'TrainingDiverged',
        message: 'Training diverged at step 1.',
        retryAt: expect.any(String) as string,
      });
      await server.environment.sleep('1 hour');
      expect((await until(run, 'parked')).failure).not.toHaveProperty('retryAt');
      expect(standIns.callsOf('optimize')).toHaveLength(2);
    });
  });

  test('leaves the operator free to decide before', async () => {
    const { standIns, fault } = broken('prefer');
    await withRun(standIns, { onFailure: { retries: 1, backoff: 86_400 } }, async (run, { name }) => {
      await until(run, 'parked');
      fault.mended = true;
      await retryRun(server.environment.client, name);
      expect((await run.result()).state).toBe('done');
      // Reads the times from the history: after a run has ended, the server's clock skips to other pending timers.
      const { events } = await run.fetchHistory();
      const waits = events!.filter(
        (event) => Number(event.timerStartedEventAttributes?.startToFireTimeout?.seconds) === 86_400,
      );
      const cancelled = events!.flatMap(({ timerCanceledEventAttributes: timer }) => timer?.startedEventId ?? []);
      expect(waits).toHaveLength(1);
      expect(cancelled).toEqual([waits[0].eventId]);
    });
  });
});

describe('a pause', () => {
  test('begins after the step under way and lasts until the operator resumes', async () => {
    const { standIns, underWay, release } = sampling();
    await withRun(standIns, {}, async (run, { name }) => {
      await underWay;
      await decide(server.environment.client, name, pauseUpdate);
      expect(await run.query(runStatusQuery)).toMatchObject({ state: 'running', requested: 'pause' });
      expect(await refused(decide(server.environment.client, name, pauseUpdate))).toBe(
        `Run "${name}" is pausing already.`,
      );
      release();
      await until(run, 'paused');
      await server.environment.sleep('30 days');
      expect(standIns.callsOf('label')).toEqual([]);
      expect((await run.describe()).raw.pendingActivities ?? []).toEqual([]);
      expect(await refused(decide(server.environment.client, name, pauseUpdate))).toBe(
        `Run "${name}" is paused already.`,
      );

      await decide(server.environment.client, name, resumeUpdate);
      expect(await run.result()).toMatchObject({ state: 'done', results: [{ round: 1 }, { round: 2 }] });
    });
  });

  test('that is taken back before it begins changes nothing', async () => {
    const { standIns, underWay, release } = sampling();
    await withRun(standIns, {}, async (run, { name }) => {
      await underWay;
      await decide(server.environment.client, name, pauseUpdate);
      await decide(server.environment.client, name, resumeUpdate);
      release();
      expect((await run.result()).results).toHaveLength(2);
    });
  });

  test('can end with a stop, which keeps what was accepted', async () => {
    const { standIns, underWay, release } = sampling();
    await withRun(standIns, { output: '/policy' }, async (run, { name }) => {
      await underWay;
      await decide(server.environment.client, name, pauseUpdate);
      release();
      const { policy } = await until(run, 'paused');
      await decide(server.environment.client, name, stopUpdate);
      expect(await run.result()).toMatchObject({ state: 'stopped', results: [], policy });
      expect(standIns.callsOf('publish')).toMatchObject([{ policy }]);
    });
  });

  test('a stop asked for in the middle of a step comes after it', async () => {
    const { standIns, underWay, release } = sampling();
    await withRun(standIns, {}, async (run, { name }) => {
      await underWay;
      await decide(server.environment.client, name, stopUpdate);
      expect(await refused(decide(server.environment.client, name, stopUpdate))).toBe(
        `Run "${name}" is stopping already.`,
      );
      release();
      expect((await run.result()).state).toBe('stopped');
      expect(standIns.callsOf('label')).toEqual([]);
    });
  });
});

describe('a decision is refused', () => {
  test('where there is nothing to decide', async () => {
    const { standIns, fault } = broken('prefer', noPreference);
    await withRun(standIns, {}, async (run, { name }) => {
      await until(run, 'parked');
      const { client } = server.environment;
      expect(await refused(decide(client, name, resumeUpdate))).toBe(`Run "${name}" is not paused.`);
      expect(await refused(decide(client, name, pauseUpdate))).toMatch(/waits for a decision already/);
      expect(await refused(decide(client, name, retryUpdate, { round: 2 }))).toMatch(/--round can be 1 to 1, not 2\.$/);
      fault.mended = true;
      await decide(client, name, retryUpdate, {});
      expect(await refused(decide(client, name, skipUpdate))).toMatch(/has no failure to decide about|has ended/);
      await run.result();
      expect(await refused(decide(client, name, stopUpdate))).toMatch(/has ended/);
    });
  });

  test('to the second of two operators who decide at once', async () => {
    const { standIns, fault } = broken('prefer', noPreference);
    await withRun(standIns, {}, async (run, { name }) => {
      await until(run, 'parked');
      fault.mended = true;
      const { client } = server.environment;
      const decisions = [decide(client, name, skipUpdate), retryRun(client, name), decide(client, name, skipUpdate)];
      const settled = await Promise.allSettled(decisions);
      expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const { results, skipped } = await run.result();
      expect([...results.map(({ round }) => round), ...skipped].sort()).toEqual([1, 2]);
    });
  });
});

describe('the record of decisions', () => {
  test('has who decided what, in the order of the decisions', async () => {
    const { standIns } = broken('prefer', noPreference);
    await withRun(standIns, {}, async (run, { name }) => {
      const { client } = server.environment;
      await until(run, 'parked');
      const retried = { by: 'anna', settings: { 'optimize.learningRate': 1e-4, 'label.by': 'verifier' } };
      await retryRun(client, name, retried);
      await until(run, 'parked');
      await decide(client, name, skipUpdate, { by: 'ben' });
      expect((await until(run, 'parked')).failure?.round).toBe(2);
      // As a command of an earlier version of selm sends it.
      await run.executeUpdate('stop', { args: [] });
      const status = await run.result();
      const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string;
      const settings = ['optimize.learningRate=0.0001', 'label.by="verifier"'];
      expect(status.decisions).toEqual([
        { at, decision: 'retry', by: 'anna', round: 1, settings },
        { at, decision: 'skip', by: 'ben', round: 1 },
        { at, decision: 'stop', round: 2 },
      ]);
      const [retry, skip, stop] = status.decisions!;
      expect(decisionLines(status)).toEqual([
        `Decision: retry by anna at ${retry.at}, round 1, ${settings.join(', ')}.`,
        `Decision: skip by ben at ${skip.at}, round 1.`,
        `Decision: stop at ${stop.at}, round 2.`,
      ]);
    });
  });

  test('is bounded, and counts what it no longer lists', async () => {
    const { standIns, underWay, release } = sampling();
    await withRun(standIns, {}, async (run, { name }) => {
      const { client } = server.environment;
      await underWay;
      for (let times = 0; times < 26; times++) {
        await decide(client, name, pauseUpdate, { by: `pauses ${times}` });
        await decide(client, name, resumeUpdate, { by: `resumes ${times}` });
      }
      release();
      const status = await run.result();
      expect([status.decisions?.length, status.earlierDecisions]).toEqual([50, 2]);
      expect(status.decisions?.[0]).toMatchObject({ decision: 'pause', by: 'pauses 1' });
      expect(decisionLines(status)[0]).toBe('2 earlier decisions are not listed.');
    });
  });

  test('tells the second of two operators who decided before, and refuses decisions about an earlier failure', async () => {
    const { standIns } = broken('prefer', noPreference);
    await withRun(standIns, {}, async (run, { name }) => {
      const { client } = server.environment;
      const { failure } = await until(run, 'parked');
      await server.environment.sleep('1 minute');
      await retryRun(client, name, { by: 'anna', about: failure!.since });
      await until(run, 'parked');
      expect(await refused(decide(client, name, skipUpdate, { by: 'ben', about: failure!.since }))).toBe(
        `Run "${name}" has failed again since: look at the new failure first.`,
      );
      await decide(client, name, stopUpdate, { by: 'anna' });
      expect(await refused(decide(client, name, skipUpdate, { by: 'ben', about: failure!.since }))).toMatch(
        /has no failure to decide about \(last decision: stop by anna at .*, round 1\)|has ended/,
      );
    });
  });
});

describe('a damaged artifact', () => {
  test('is made again by the steps that lead to it, and told', async () => {
    const standIns = new StandIns();
    standIns.before.optimize = (times) => {
      if (times === 2) throw damaged();
    };
    await withRun(standIns, {}, async (run) => {
      const { state, repairs, results } = await run.result();
      expect([state, repairs, results.length]).toEqual(['done', [damaged().message], 2]);
      expect(standIns.callsOf('prepare')).toHaveLength(2);
      // Two calls until the second round failed, then two calls for both rounds.
      expect(standIns.callsOf('optimize')).toHaveLength(4);
    });
  });

  test('that is found after a stop costs no round', async () => {
    const { standIns, underWay, release } = held('optimize', 2);
    standIns.before.publish = (times) => {
      if (times === 1) throw damaged();
    };
    await withRun(standIns, { output: '/policy' }, async (run, { name }) => {
      await underWay;
      await decide(server.environment.client, name, stopUpdate);
      release();
      const { state, repairs, results, version } = await run.result();
      expect([state, repairs.length, results.length, version]).toEqual(['stopped', 1, 1, 1]);
      expect(standIns.callsOf('publish').at(-1)).toMatchObject({ policy: results[0].policy });
    });
  });

  test('that is found by the step in which a stop is requested costs no round', async () => {
    const { standIns, underWay, release } = held('optimize', 2);
    const wait = standIns.before.optimize!;
    standIns.before.optimize = async (times, input) => {
      await wait(times, input);
      if (times === 2) throw damaged();
    };
    await withRun(standIns, {}, async (run, { name }) => {
      await underWay;
      await decide(server.environment.client, name, stopUpdate);
      release();
      const { state, results } = await run.result();
      expect([state, results.length, standIns.callsOf('optimize').length]).toEqual(['stopped', 1, 3]);
    });
  });

  test('that is found after the gate has stopped the run costs neither rounds nor benchmarks', async () => {
    const standIns = new StandIns();
    standIns.before.optimize = (times) => void (standIns.unchanged = times % 2 === 0);
    standIns.before.release = (times) => {
      if (times === 1) throw damaged();
    };
    const evaluate = { benchmarks: ['ifeval'], gate: { onFail: 'stop' } };
    await withRun(standIns, { rounds: 3, evaluate }, async (run) => {
      const { state, results, benchmarks, version } = await run.result();
      expect([state, results.map(({ accepted }) => accepted), version]).toEqual(['stopped', [true, false], 1]);
      expect(benchmarks!.map(({ round }) => round)).toEqual([0, 1]);
    });
  });

  test('leaves skipped what an operator has skipped', async () => {
    const standIns = new StandIns();
    standIns.before.benchmark = (times) => {
      if (times === 1) throw badInput('lm-eval is not installed.');
    };
    standIns.before.optimize = (times) => {
      if (times === 2) throw damaged();
    };
    await withRun(standIns, { evaluate: { benchmarks: ['ifeval'] } }, async (run, { name }) => {
      await until(run, 'parked');
      await decide(server.environment.client, name, skipUpdate);
      const { state, benchmarks } = await run.result();
      expect([state, benchmarks!.map(({ round, address }) => [round, address === undefined])]).toEqual([
        'done',
        [
          [0, true],
          [2, false],
        ],
      ]);
    });
  });

  test('that is damaged again and again parks the run', async () => {
    const { standIns, fault } = broken('optimize', damaged);
    await withRun(standIns, {}, async (run, { name }) => {
      const { failure, repairs } = await until(run, 'parked');
      expect(failure).toMatchObject({ round: 1, step: 'optimize', type: 'ArtifactDamaged' });
      expect(repairs).toHaveLength(5);
      fault.mended = true;
      await retryRun(server.environment.client, name);
      expect((await run.result()).state).toBe('done');
    });
  });
});
