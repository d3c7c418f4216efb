/** The gate: its limits, the check for training without effect, and the rollback of rejected rounds. */
import { describe, expect, test } from 'vitest';
import type { Comparison } from '../../evaluation/comparison.ts';
import { roundNotes, roundRows, winRate } from '../../report/rounds.ts';
import { startRun } from '../../workers/runs/runs.ts';
import { decideRound } from '../../workflows/gate.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { checkTraining } from '../../workflows/training-verdict.ts';
import { timeSkippingServer } from './server.ts';
import { StandIns, testConfig, withWorkers } from './stand-ins.ts';

const answers = { prompts: 10, meanCharacters: 40 };

/** A comparison with the previous policy, which has mean score 0.5 and responses of 20 tokens. */
const comparison = (winRate: number, meanScore: number, kl = 1, meanTokens = 20): Comparison => ({
  ...answers,
  meanScore,
  meanTokens,
  against: {
    opponent: { ...answers, meanScore: 0.5, meanTokens: 20 },
    wins: 10 * winRate,
    ties: 0,
    losses: 10 - 10 * winRate,
    winRate,
    winRateInterval: { low: 0, high: 1 },
    kl,
    klPerToken: kl / meanTokens,
    klInterval: { low: kl, high: kl },
  },
});

const secondJudge = { by: 'verifier', verdict: 'loose' };
const judged = (gate: object, overPrevious: Comparison, second?: Comparison) =>
  decideRound(testConfig({ evaluate: { secondJudge, gate } }), overPrevious, second);

describe('a round', () => {
  test('is accepted where no limit is set', () => {
    expect(judged({}, comparison(0, 0, 99, 99)).reasons).toEqual([]);
  });

  test('is accepted on the limits themselves', () => {
    const gate = { minWinRate: 0.6, maxKl: 2, maxLengthGrowth: 1.5, minSecondJudgeWinRate: 0.4 };
    expect(judged(gate, comparison(0.6, 0.6, 2, 30), comparison(0.4, 0.6))).toEqual({ reasons: [], warnings: [] });
  });

  test('is refused with a sentence for every limit that it does not keep', () => {
    const gate = { minWinRate: 0.6, maxKl: 2, maxLengthGrowth: 1.5, minSecondJudgeWinRate: 0.4 };
    expect(judged(gate, comparison(0.5, 0.6, 2.25, 35), comparison(0.3, 0.6)).reasons).toEqual([
      'Its win rate over the policy it started from is 50.0 %, below minWinRate of 60.0 %.',
      'Its KL from the policy it started from is 2.25 nats per greedy response, above maxKl of 2.',
      'Its responses are 1.75 times as long as those of the policy it started from (35.0 tokens, 20.0 before), above maxLengthGrowth of 1.5.',
      'By the second judge (verifier) its win rate over the policy it started from is 30.0 %, below minSecondJudgeWinRate of 40.0 %.',
    ]);
  });

  test('is judged by the KL of sampled answers where there are some', () => {
    const klSampled = { kl: 3, klPerToken: 0.15, klInterval: { low: 2.5, high: 3.5 } };
    const measured = (kl: number) => {
      const { against, ...own } = comparison(0.6, 0.6, kl);
      return { ...own, against: { ...against!, klSampled } };
    };
    expect(judged({ maxKl: 3 }, measured(9)).reasons).toEqual([]);
    expect(judged({ maxKl: 2.5 }, measured(1)).reasons).toEqual([
      'Its KL from the policy it started from is 3.00 nats per sampled response, above maxKl of 2.5.',
    ]);
  });

  test('whose score rises by the labeler alone is suspected of reward hacking', () => {
    const [warning] = judged({}, comparison(0.9, 0.8), comparison(0.4, 0.375)).warnings;
    expect(warning).toMatch(/rose by 0\.300, .* changed by -0\.125: .*reward hacking/);
    expect(judged({}, comparison(0.9, 0.8), comparison(0.6, 0.55)).warnings).toEqual([]);
    expect(judged({}, comparison(0.2, 0.4), comparison(0.4, 0.4)).warnings).toEqual([]);
  });

  test('whose win rate leaves out prompts without scores says so, and its gain is over the others', () => {
    const { against, ...own } = comparison(1, 9);
    const partly = { ...own, against: { ...against!, unjudged: 9, meanGain: -0.1 } };
    expect(judged({ minWinRate: 0.5 }, partly, comparison(0.4, 0.4))).toEqual({
      reasons: [],
      warnings: [
        'the labeler (verifier) did not score both responses to 9 of 10 held-out prompts, which its win rate leaves out.',
      ],
    });
    expect(winRate(partly)).toBe('100.0 % [0.0, 100.0] (9 without a score)');
  });
});

const rows = (count: number, more = {}) => ({
  rows: count,
  truncated: 0,
  equal: 0,
  promptTooLong: 0,
  promptNotPrefix: 0,
  ...more,
});

describe('a training', () => {
  const settings = { batchSize: 128, epochs: 1 };
  const trained = { steps: 1, unchanged: false, metrics: {}, rows: rows(47) };

  test('of few steps is accepted with a warning', () => {
    expect(checkTraining(settings, 1e-6, trained)).toEqual({
      reasons: [],
      warnings: [
        'only 1 optimizer step (47 preferences, batch size 128, 1 epoch): lower optimize.batchSize, or raise optimize.epochs or the number of prompts a round.',
      ],
    });
    const [warning] = checkTraining({ batchSize: 8, epochs: 2 }, 1e-6, {
      ...trained,
      rows: rows(25),
      steps: 8,
    }).warnings;
    expect(warning).toMatch(/^only 8 optimizer steps \(25 preferences, batch size 8, 2 epochs\): /);
  });

  test('of ten steps or more has none', () => {
    for (const [batchSize, epochs, preferences] of [
      [8, 3, 47],
      [128, 1, 1153],
      [1, 10, 1],
    ]) {
      expect(checkTraining({ batchSize, epochs }, 1e-6, { ...trained, rows: rows(preferences) }).warnings).toEqual([]);
    }
  });

  test('that cut or dropped preferences says so, and counts its steps of those that are left', () => {
    const counted = rows(20, { truncated: 3, equal: 1, promptTooLong: 2, promptNotPrefix: 4 });
    expect(checkTraining({ batchSize: 1, epochs: 1 }, 1e-6, { ...trained, rows: counted }).warnings).toEqual([
      "3 of 20 training rows were cut to maxLength, maxPromptLength or the model's context.",
      '1 of 20 training rows were dropped: chosen and rejected are the same tokens.',
      "2 of 20 training rows were dropped: the prompt alone fills maxLength or the model's context.",
      '4 of 20 training rows have a prompt that the chat template renders differently with a response: they are split where the two differ, as in TRL.',
    ]);
    expect(checkTraining({ batchSize: 2, epochs: 1 }, 1e-6, { ...trained, rows: counted }).warnings[0]).toMatch(
      /^only 9 optimizer steps \(17 preferences/,
    );
  });

  test('that changed nothing is rolled back', () => {
    const nothing = { ...trained, rows: rows(20), steps: 20, unchanged: true };
    expect(checkTraining({ batchSize: 1, epochs: 1 }, 1e-30, nothing)).toEqual({
      reasons: [
        'Its weights equal those of the policy it started from: training changed nothing (optimizer steps: 20, optimize.learningRate: 1e-30); raise optimize.learningRate.',
      ],
      warnings: [],
    });
  });
});

describe('a run', () => {
  const server = timeSkippingServer();

  // The stand-ins report a divergence of 1 nat from every policy.
  async function run(
    name: string,
    evaluate: object,
    unchanged = false,
  ): Promise<{ status: RunStatus; standIns: StandIns }> {
    const standIns = new StandIns();
    standIns.unchanged = unchanged;
    const config = testConfig({ name, rounds: 2, evaluate });
    const status = await withWorkers(server, standIns, async () => {
      const { handle } = await startRun(server.environment.client, config);
      return handle.result();
    });
    return { status, standIns };
  }

  test('goes on from the policy it had when a round is rolled back', async () => {
    const { status, standIns } = await run('gate-continue', { gate: { maxKl: 0.5 } });
    expect(status.state).toBe('done');
    expect(status.results.map(({ accepted, reasons }) => [accepted, reasons.length])).toEqual([
      [false, 1],
      [false, 1],
    ]);
    const [first, second] = standIns.callsOf('optimize');
    expect(second.policy).toBe(first.policy);
    expect(status.policy).toBe(first.policy);
  });

  test('never accepts a policy whose weights are those it started from, and says so', async () => {
    const { status, standIns } = await run('gate-unchanged', {}, true);
    expect(status.results.map(({ accepted, unchanged }) => [accepted, unchanged])).toEqual([
      [false, true],
      [false, true],
    ]);
    const [first, second] = standIns.callsOf('optimize');
    expect(second.policy).toBe(first.policy);
    expect(standIns.callsOf('release')).toHaveLength(0);
    expect(roundRows(status).map((row) => row.at(-1))).toEqual([
      '',
      'rolled back, unchanged',
      'rolled back, unchanged',
    ]);
    expect(roundNotes(status).slice(0, 2)).toEqual([
      'Round 1 was rolled back: Its weights equal those of the policy it started from: training changed nothing (optimizer steps: 1, optimize.learningRate: 5e-7); raise optimize.learningRate.',
      'Round 1: only 1 optimizer step (8 preferences, batch size 128, 1 epoch): lower optimize.batchSize, or raise optimize.epochs or the number of prompts a round.',
    ]);
  });

  test('stops there if it is to', async () => {
    const { status, standIns } = await run('gate-stop', { gate: { maxKl: 0.5, onFail: 'stop' } });
    expect([status.state, status.results.length]).toEqual(['stopped', 1]);
    expect(status.results[0].reasons[0]).toContain('above maxKl of 0.5');
    expect(standIns.callsOf('optimize')).toHaveLength(1);
    expect(standIns.callsOf('release')).toHaveLength(0);
  });

  test('asks the second judge about the held-out answers only', async () => {
    const { status, standIns } = await run('gate-second', { secondJudge, gate: { minSecondJudgeWinRate: 0.7 } });
    expect(status.results[0]).toMatchObject({ accepted: false, secondJudge: { winRateOverPrevious: 0.625 } });
    expect(standIns.callsOf('prepare')).toMatchObject([{ secondJudge }]);
    const labelersOf = (name: 'label' | 'labelHeldOut') =>
      new Set(standIns.callsOf(name).map(({ label }) => JSON.stringify(label)));
    expect(labelersOf('label')).toEqual(new Set(['{"by":"verifier"}']));
    expect(labelersOf('labelHeldOut')).toEqual(new Set(['{"by":"verifier"}', JSON.stringify(secondJudge)]));
  });
});
