/** Shows a run on a terminal: permanent lines for events, and below them a progress bar for each step of the round. */
import { once, setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { createLogUpdate } from 'log-update';
import { percent } from '../data/numbers.ts';
import { readProgress, type PendingActivity, type RunProgress } from '../workers/runs/progress.ts';
import { type RunHandle } from '../workers/runs/runs.ts';
import { describeFailure, NO_NEW_PROMPTS, skippedLines, waitsForDecision } from '../report/failure.ts';
import { benchmarkLines } from '../report/benchmark-lines.ts';
import { droppedNotes, kl, roundNotes, verdictOf } from '../report/rounds.ts';
import { STEPS, type RoundStatus, type RunStatus, type StepName, type StepStatus } from '../workflows/status.ts';
import { firstLine, votingLine } from '../report/voting.ts';
import { barOf, clockOf, rateOf } from './progress.ts';

const POLL_MILLISECONDS = 500;
/** While people vote, every look asks all blocks of the round. */
const VOTING_POLL_MILLISECONDS = 2000;

interface WatchOptions {
  /** Whether a user at a terminal can make decisions. */
  attended: boolean;
  stop: AbortSignal;
}

/**
 * Shows a run until it ends, until it waits for a decision that no user can make here, or until `stop` is aborted.
 * @returns the run's last status; undefined after `stop`
 * @throws the run's failure
 */
export async function watchRun(
  client: Client,
  handle: RunHandle,
  { attended, stop }: WatchOptions,
): Promise<RunStatus | undefined> {
  const view = new RunView();
  const run = { ended: false };
  // Requests in progress would keep this process alive after watching ends.
  const waiting = requests();
  let looking = requests();
  const result = client.withAbortSignal(waiting.signal, () => handle.result()).finally(() => (run.ended = true));
  // Awaited below unless watching is stopped first. In that case its failure is not used.
  result.catch(() => {});
  const stopped = once(stop, 'abort').then(() => undefined);
  try {
    while (!run.ended && !stop.aborted) {
      // Fails while the server or the workers are down. The run continues when they are back. `result` has the run's own failure.
      const look = client.withAbortSignal(looking.signal, () => readProgress(client, handle)).catch(() => undefined);
      const progress = await Promise.race([look, stopped]);
      if (progress && !run.ended) view.show(progress);
      if (progress && !run.ended && !attended && waitsForDecision(progress.status)) return progress.status;
      // A new signal for each poll: the client never removes its listeners.
      if (!stop.aborted) looking = requests();
      // Rejects when `stop` is aborted or the run fails: the loop ends then.
      const pause = progress?.voting ? VOTING_POLL_MILLISECONDS : POLL_MILLISECONDS;
      await Promise.race([sleep(pause, undefined, { signal: stop }), result]).catch(() => {});
    }
    if (stop.aborted) return undefined;
    const status = await result;
    view.show({ status, pending: [] });
    return status;
  } finally {
    waiting.abort();
    looking.abort();
    view.close();
  }
}

/** Creates a signal for any number of requests. */
function requests(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

class RunView {
  private readonly draw = process.stderr.isTTY ? createLogUpdate(process.stderr) : undefined;
  private readonly rates = new Rates();
  private readonly said = new Set<string>();

  show({ status, round, voting, pending }: RunProgress): void {
    if (status.state === 'preparing') this.sayOnce('Preparing: reading prompts, model and settings.');
    if (status.dropped) droppedNotes(status.dropped).forEach((line) => this.sayOnce(line));
    if (status.policy !== undefined && !status.start) this.sayOnce('Measuring the start policy.');
    if (status.start) this.sayOnce(`Start: ${scores(status.start)}.`);
    for (const result of status.results) {
      const { round: number, evaluation } = result;
      const { winRate, winRateInterval } = evaluation.against!;
      const interval = `[${percent(winRateInterval.low)}, ${percent(winRateInterval.high)}]`;
      this.sayOnce(
        `Round ${number} of ${status.rounds}: ${scores(evaluation)}, win rate over the start ${percent(winRate)} ${interval}, ` +
          `KL ${kl(evaluation)}, ${verdictOf(result)}.`,
      );
    }
    for (const line of [...status.repairs, ...skippedLines(status), ...roundNotes(status), ...benchmarkLines(status)])
      this.sayOnce(line);
    if (status.rounds === 0) this.sayOnce(NO_NEW_PROMPTS);
    if (status.state === 'paused') this.sayOnce(`Paused: selm resume ${status.name}`);
    else this.said.delete(`Paused: selm resume ${status.name}`);
    if (status.failure) this.sayOnce(describeFailure(status, status.failure));
    for (const { name, attempt, lastFailure } of pending) {
      if (lastFailure !== undefined) this.sayOnce(`${name} failed (${lastFailure}); attempt ${attempt}.`);
    }
    // Later polls find other numbers of votes. A round that runs again with other settings has other questions.
    if (round?.voting && voting) {
      this.sayOnce(firstLine(status.name, round.round, voting), `voting ${round.voting.questions}`);
    }
    const underWay = round && !status.results.some((result) => result.round === round.round);
    const lines = underWay ? this.roundLines(round, status.rounds, pending) : preparingLines(status, pending);
    this.draw?.([...lines, ...(voting ? [votingLine(status.name, voting)] : [])].join('\n'));
  }

  private roundLines({ round, steps }: RoundStatus, rounds: number, pending: PendingActivity[]): string[] {
    const lines = STEPS.map((name) => {
      const step = steps[name];
      if (step.state !== 'running') return stepLine(name, step);
      return stepLine(name, step, {
        pending,
        ...this.rates.of(`${round} ${name}`, fractionOf(step, pending), pending),
      });
    });
    return [`Round ${round} of ${rounds}`, ...lines];
  }

  /** @param key of what is said, if it is said in other words later */
  private sayOnce(line: string, key = line): void {
    if (this.said.has(key)) return;
    this.said.add(key);
    this.draw?.clear();
    console.error(line);
  }

  close(): void {
    this.draw?.clear();
    this.draw?.done();
  }
}

/** The number of checked prompts, or the copied part of a model, while the run prepares. */
function preparingLines({ state }: RunStatus, pending: PendingActivity[]): string[] {
  const progress = state === 'preparing' ? pending.find((activity) => activity.progress)?.progress : undefined;
  if (!progress) return [];
  return [`  ${progress.done}/${progress.total} ${progress.unit} ${progress.unit === 'MB' ? 'copied' : 'checked'}`];
}

/** The completed part of a step: its finished activities, and the finished parts of those in progress. */
function fractionOf({ done, total }: StepStatus, pending: PendingActivity[]): number {
  const parts = pending.map(({ progress }) => (progress ? progress.done / progress.total : 0));
  return total === 0 ? 1 : Math.min(1, parts.reduce((sum, part) => sum + part, done) / total);
}

interface UnderWay {
  pending: PendingActivity[];
  /** Tokens per second. */
  rate?: number;
  /** Seconds. */
  eta?: number;
}

/** Formats a step as a line, such as `  optimize  ########------------  40 %  18/45 steps  14,000 tok/s  ETA 0:03`. */
function stepLine(name: StepName, step: StepStatus, underWay?: UnderWay): string {
  const title = `  ${name.padEnd(9)}`;
  if (!underWay) return `${title}${step.state === 'done' && step.reused === step.total ? 'reused' : step.state}`;
  const { pending, rate, eta } = underWay;
  const fraction = fractionOf(step, pending);
  // A single activity shows its progress in its own units.
  const own = step.total === 1 ? pending.find(({ progress }) => progress)?.progress : undefined;
  return [
    `${title}${barOf(fraction)}`,
    `${Math.floor(100 * fraction)} %`.padStart(5),
    own ? `${own.done}/${own.total} ${own.unit}` : `${step.done}/${step.total} activities`,
    ...(own?.resumed ? [`resumed from ${own.resumed.from}, ${own.resumed.again} again`] : []),
    ...(rate === undefined ? [] : [rateOf(rate)]),
    ...(eta === undefined ? [] : [`ETA ${clockOf(eta)}`]),
  ].join('  ');
}

/** The speed of the step in progress, measured since it was first observed. */
class Rates {
  private step = '';
  private since = { time: 0, fraction: 0 };
  private tokens = new Map<string, number>();
  private seenTokens = 0;

  of(step: string, fraction: number, pending: PendingActivity[]): { rate?: number; eta?: number } {
    const now = performance.now() / 1000;
    if (step !== this.step) {
      this.step = step;
      this.since = { time: now, fraction };
      this.tokens = new Map(pending.map(({ id, progress }) => [id, progress?.tokens ?? 0]));
      this.seenTokens = 0;
      return {};
    }
    for (const { id, progress } of pending) {
      const tokens = progress?.tokens ?? 0;
      this.seenTokens += Math.max(0, tokens - (this.tokens.get(id) ?? 0));
      this.tokens.set(id, tokens);
    }
    const elapsed = now - this.since.time;
    const made = fraction - this.since.fraction;
    return {
      ...(this.seenTokens > 0 && { rate: this.seenTokens / elapsed }),
      ...(made > 0 && { eta: ((1 - fraction) * elapsed) / made }),
    };
  }
}

const scores = ({ meanScore, strictPassRate }: { meanScore: number; strictPassRate?: number }) =>
  `mean score ${meanScore.toFixed(3)}${strictPassRate === undefined ? '' : `, strict pass rate ${percent(strictPassRate)}`}`;
