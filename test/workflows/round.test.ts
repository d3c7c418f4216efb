/** The inputs of the steps in a round. */
import { describe, expect, test } from 'vitest';
import { hashValue } from '../../artifacts/hash.ts';
import { startRun } from '../../workers/runs/runs.ts';
import type { SamplingSettings } from '../../engine/protocol/settings.ts';
import { roundWorkflowId } from '../../workflows/ids.ts';
import { roundSeed } from '../../workflows/round-plan.ts';
import { roundStatusQuery } from '../../workflows/round-steps.ts';
import { answer, openedVoting } from '../voters.ts';
import { timeSkippingServer } from './server.ts';
import { StandIns, testConfig, withWorkers, type Activities } from './stand-ins.ts';

const server = timeSkippingServer();

/** Runs two rounds with the objective. */
async function run(name: string): Promise<StandIns> {
  const standIns = new StandIns();
  const sample = { samplesPerPrompt: 4, temperature: 1 };
  const config = testConfig({ name: `references-${name}`, rounds: 2, sample, optimize: { objective: { name } } });
  await withWorkers(server, standIns, async () => {
    const { handle } = await startRun(server.environment.client, config);
    await handle.result();
  });
  return standIns;
}
/** Samples of the second round: the policy, and the number of responses per prompt. */
const inSecondRound = (standIns: StandIns) =>
  standIns
    .callsOf('sample')
    .filter(({ prompts }) => prompts === hashValue('prompts of round 2'))
    .map(({ policy, settings }) => [policy, (settings as { samplesPerPrompt: number }).samplesPerPrompt]);

describe('the reference responses', () => {
  test("are SELM's own: those of the policy that the round starts from", async () => {
    const standIns = await run('selm');
    const [, second] = standIns.callsOf('optimize');
    expect(inSecondRound(standIns)).toEqual([[second.policy, 4]]);
    for (const input of standIns.callsOf('prefer')) expect(input).not.toHaveProperty('references');
  });

  test.each(['xpo', 'vpo'])(
    "are the start policy's with %s, whose first round needs no other answers",
    async (name) => {
      const standIns = await run(name);
      const [first, second] = standIns.callsOf('optimize');
      expect(inSecondRound(standIns)).toEqual([
        [second.policy, 4],
        [first.policy, 1],
      ]);
      const [one, two] = standIns.callsOf('prefer');
      expect(one).not.toHaveProperty('references');
      const asked = standIns
        .callsOf('sample')
        .find(({ prompts, policy }) => prompts === hashValue('prompts of round 2') && policy === first.policy);
      expect(two['references']).toEqual([hashValue(['sample', asked])]);
    },
  );
});

describe('KL divergences', () => {
  /** Runs two rounds. @param klSamples sampled responses per held-out prompt. @returns the samples, and the inputs of evaluate */
  async function measured(klSamples: number) {
    const standIns = new StandIns();
    const config = testConfig({ name: `kl-${klSamples}`, seed: 7, evaluate: { klSamples, shardSize: 4 } });
    const steps = await withWorkers(server, standIns, async () => {
      const { handle } = await startRun(server.environment.client, config);
      await handle.result();
      const round = server.environment.client.workflow.getHandle(roundWorkflowId(handle.workflowId, 2));
      return (await round.query(roundStatusQuery)).steps;
    });
    const heldOut = standIns.callsOf('sample').filter(({ prompts }) => prompts === hashValue('held out'));
    const drawn = heldOut.filter(({ settings }) => (settings as SamplingSettings).temperature > 0);
    const evaluated = standIns.callsOf('evaluate').flatMap(({ opponent }) => (opponent ? [opponent as Opponent] : []));
    return { standIns, drawn, evaluated, steps };
  }
  type Opponent = Parameters<Activities['evaluate']>[0]['opponent'] & object;

  test('are measured along the greedy answers, from the start and from the policy before', async () => {
    const { standIns, drawn, evaluated, steps } = await measured(0);
    expect(drawn).toEqual([]);
    const [first, second] = standIns.callsOf('optimize').map((input) => hashValue(['optimize', input]));
    const start = hashValue('start');
    const pairs = standIns.callsOf('divergence').map(({ policy, reference }) => [policy, reference]);
    // Two shards of responses each. In the first round, the start policy is also the previous policy.
    expect(pairs).toEqual(
      [
        [first, start],
        [first, start],
        [second, start],
        [second, first],
      ].flatMap((pair) => [pair, pair]),
    );
    for (const { divergences, sampledDivergences } of evaluated)
      expect([divergences!.length, sampledDivergences]).toEqual([2, undefined]);
    expect(steps.evaluate).toEqual({ state: 'done', done: 2 + 2 * 7, total: 2 + 2 * 7, reused: 0 });
  });

  test('are measured along sampled answers, too, where some are asked for', async () => {
    const { standIns, drawn, evaluated, steps } = await measured(3);
    // Samples of the trained policies, by round. The start policy is not sampled.
    const trained = standIns.callsOf('optimize').map((input) => hashValue(['optimize', input]));
    expect(drawn.map(({ policy, seed }) => [policy, seed])).toEqual(
      trained.flatMap((policy, i) => Array.from({ length: 2 }, () => [policy, roundSeed(7, i + 1)])),
    );
    for (const { settings } of drawn)
      expect(settings).toMatchObject({ samplesPerPrompt: 3, temperature: 1, topP: 1, topK: 0 });
    expect(standIns.callsOf('divergence')).toHaveLength(16);
    for (const { sampledDivergences } of evaluated) expect(sampledDivergences).toHaveLength(2);
    const measuredAlong = evaluated.flatMap(({ sampledDivergences }) => sampledDivergences!);
    const ofDrawn = standIns
      .callsOf('divergence')
      .filter(({ responses }) => drawn.some((input) => hashValue(['sample', input]) === responses));
    expect(new Set(measuredAlong)).toEqual(new Set(ofDrawn.map((input) => hashValue(['divergence', input]))));
    expect(steps.evaluate).toEqual({ state: 'done', done: 4 + 2 * 9, total: 4 + 2 * 9, reused: 0 });
  });
});

/** Runs two rounds. @returns the activities' inputs */
async function sampledWith(name: string, sample: object): Promise<StandIns> {
  const standIns = new StandIns();
  // The tests' workers are those of the pool single.
  const torch = { backend: 'torch', device: 'cpu', gpus: 2, workers: 'single' };
  const config = testConfig({ name: `sampled-${name}`, ...torch, sample });
  await withWorkers(server, standIns, async () => {
    const { handle } = await startRun(server.environment.client, config);
    await handle.result();
  });
  return standIns;
}

describe('what samples', () => {
  test("the worker's own vLLM also answers the held-out prompts", async () => {
    const standIns = await sampledWith('vllm', { backend: 'vllm', vllm: { args: ['--seed', '1'] } });
    const calls = standIns.callsOf('sample');
    // Of two rounds, and of three policies to the held-out prompts.
    expect(calls).toHaveLength(5);
    for (const { vllm, settings } of calls) {
      expect(vllm).toEqual({ args: ['--seed', '1'], device: 'cpu', gpus: 2, beside: ['divergence'] });
      expect(settings).not.toHaveProperty('backend');
      expect(settings).not.toHaveProperty('vllm');
    }
    expect(standIns.callsOf('unloadAdapter')).toEqual([]);
  });

  test('a server also answers the held-out prompts, and unloads the adapter of each policy', async () => {
    const standIns = await sampledWith('server', { server: { url: 'http://127.0.0.1:9/v1', model: 'tiny' } });
    const calls = standIns.callsOf('sample');
    expect(calls.map(({ server: given }) => (given as { model: string }).model)).toEqual(Array(5).fill('tiny'));
    expect(standIns.callsOf('unloadAdapter').map(({ policy }) => policy)).toEqual(calls.map(({ policy }) => policy));
  });
});

test('a person who is left out and has voted in an earlier round is known', async () => {
  const standIns = new StandIns();
  const label = { by: 'people', votes: 1, overlap: 0, deadline: 1, leaveOut: ['ann', 'zoe'] };
  const config = testConfig({ name: 'left-out', label, evaluate: { labeler: { by: 'verifier' } } });
  const { results } = await withWorkers(server, standIns, async () => {
    const { client } = server.environment;
    const { handle } = await startRun(client, config);
    await answer(client, await openedVoting(client, 'left-out', 1), 'ann');
    // The second round goes on at its deadline, without votes.
    return handle.result();
  });
  const notes = results.map(({ warnings }) => warnings.filter((warning) => warning.includes('label.leaveOut')));
  const zoe = 'label.leaveOut names zoe, but there is no vote by that person; the people who have voted are ann.';
  expect(notes).toEqual([[zoe], [zoe]]);
});
