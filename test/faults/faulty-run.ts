/** A run with faults, restarted as a person would, until it ends. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { readProgress, type RunProgress } from '../../workers/runs/progress.ts';
import { findRun } from '../../workers/runs/runs.ts';
import { STEPS, type RunStatus, type StepName } from '../../workflows/status.ts';
import { startSelm, summaryOf, type Ended, type Running } from '../command.ts';
import { readServer } from './server.ts';
import { FAULTS, type FaultName } from './faults.ts';
import { collectAfterwards } from './garbage.ts';
import { StoreOracle } from './oracle.ts';
import { readWork, type Work } from './work.ts';
import type { Disk, Target } from './fault.ts';

/** Where a fault strikes: a while after the first moment in this stage of the run, as soon as there is something to strike. */
export interface Strike {
  fault: FaultName;
  /** Counted from the preparation on: see `stageOf`. */
  stage: number;
  delayMilliseconds: number;
}

export interface Outcome {
  status: RunStatus;
  work: Work;
  seconds: number;
  /** The faults that found something to strike, in order, each with its stage. */
  struck: { fault: FaultName; stage: number }[];
  /** Artifacts that were reachable at some time. */
  reachable: number;
  /** What has become of those of them that are not as they were, without a fault that damaged them. */
  lost: string[];
}

export interface RunPlace {
  name: string;
  config: string;
  /** Of this run alone. */
  home: string;
  store: string;
  /** For what the campaign itself notes of the run. */
  notes: string;
  /** Of the run's commands, beside home and store. */
  env: Record<string, string>;
  disks: Partial<Record<Disk, string>>;
}

const POLL_MILLISECONDS = 50;
const NOTE_MILLISECONDS = 500;
const [workLog, readErrors] = ['work-log.mjs', 'read-errors.mjs'].map((file) =>
  fileURLToPath(new URL(file, import.meta.url)),
);

/** Stages of a run, in order: 0 preparing, 1 measuring the start, then four a round, then publishing. */
function stageOf({ status, round }: RunProgress): number {
  if (status.policy === undefined) return 0;
  if (!status.start) return 1;
  if (status.state === 'publishing' || status.state === 'done') return stageCount(status.rounds) - 1;
  const underWay = round ? STEPS.findIndex((step) => round.steps[step].state === 'running') : -1;
  return 2 + (status.round! - 1) * STEPS.length + Math.max(0, underWay);
}

/** The stages that are this step of some round. */
export const stagesOf = (step: StepName, rounds: number) =>
  Array.from({ length: rounds }, (_, round) => 2 + round * STEPS.length + STEPS.indexOf(step));

export const stageCount = (rounds: number) => 3 + rounds * STEPS.length;

/**
 * Runs to the end. @param observe told of the stage whenever it was asked for
 * @throws Error when the run ends other than by a fault of ours or well
 */
export async function faultyRun(
  place: RunPlace,
  strikes: Strike[],
  random: () => number,
  observe?: (stage: number) => void,
): Promise<Outcome> {
  const { name, config, home, store, notes, disks } = place;
  const log = join(notes, 'work.jsonl');
  const env = {
    ...place.env,
    SELM_HOME: home,
    SELM_STORE: store,
    WORK_LOG: log,
    READ_ERRORS: join(notes, 'read-errors'),
    NODE_OPTIONS: `--import ${workLog} --import ${readErrors}`,
  };
  const started = Date.now();
  const run = new Restarted(() => startSelm(['run', config, '--json'], env));
  const stages = new StageWatch(home, name);
  const struck: Outcome['struck'] = [];
  const oracle = new StoreOracle(store);
  const noting = setInterval(() => oracle.note(), NOTE_MILLISECONDS);
  const damaged = new Set<string>();
  const beside: Promise<void>[] = [];
  const target = (): Target => ({
    pid: run.pid,
    home,
    store,
    env,
    disks,
    random,
    damaged: (address) => damaged.add(address),
    beside: (work) => void beside.push(work(() => run.ended)),
  });
  try {
    for (const { fault, stage, delayMilliseconds } of strikes.toSorted((a, b) => a.stage - b.stage)) {
      while (!run.ended && (await stages.now(observe)) < stage) await sleep(POLL_MILLISECONDS);
      await sleep(delayMilliseconds);
      // What it would strike may not be there in this moment: an engine between two jobs, the first checkpoint.
      while (!run.ended) {
        if (await FAULTS[fault](target())) {
          struck.push({ fault, stage: await stages.now() });
          break;
        }
        await sleep(POLL_MILLISECONDS);
      }
    }
    while (!run.ended) {
      await stages.now(observe);
      await sleep(POLL_MILLISECONDS);
    }
    const ended = await run.result;
    const seconds = (Date.now() - started) / 1000;
    await Promise.all(beside);
    oracle.note();
    await collectAfterwards(env, store);
    const status = summaryOf<RunStatus>(ended);
    return { status, work: readWork(log), seconds, struck, reachable: oracle.count, lost: oracle.losses(damaged) };
  } finally {
    clearInterval(noting);
    await stages.close();
  }
}

/** A command that is started again when a signal has ended it. */
class Restarted {
  ended = false;
  readonly result: Promise<Ended>;
  private current: Running;
  private readonly start: () => Running;

  constructor(start: () => Running) {
    this.start = start;
    this.current = start();
    this.result = this.follow().finally(() => (this.ended = true));
    // Awaited in the end.
    this.result.catch(() => {});
  }

  get pid(): number {
    return this.current.process.pid!;
  }

  private async follow(): Promise<Ended> {
    for (;;) {
      const ended = await this.current.ended;
      if (ended.code === 0) return ended;
      const interrupted = ended.code === null || ended.code === 130;
      // Somebody makes room, then starts it again; what has happened is said without a stack.
      const full = /ENOSPC|no space left|disk (is )?full/i.test(ended.stderr) && !/^\s+at /m.test(ended.stderr);
      if (!interrupted && !full) throw new Error(`selm run ended with ${ended.code}: ${ended.stderr}`);
      this.current = this.start();
    }
  }
}

/** Where a run is, asked of its server whenever that answers. */
class StageWatch {
  private readonly home: string;
  private readonly name: string;
  private connection: Connection | undefined;
  private last = 0;

  constructor(home: string, name: string) {
    this.home = home;
    this.name = name;
  }

  async now(observe?: (stage: number) => void): Promise<number> {
    try {
      const address = readServer(this.home)?.address;
      if (address === undefined) return this.last;
      this.connection ??= await Connection.connect({ address, connectTimeout: '1s' });
      const client = new Client({ connection: this.connection });
      const progress = await this.connection.withDeadline(Date.now() + 1000, async () =>
        readProgress(client, await findRun(client, this.name)),
      );
      this.last = stageOf(progress);
      observe?.(this.last);
    } catch {
      // Server or worker are down: that is what this is about.
    }
    return this.last;
  }

  async close(): Promise<void> {
    await this.connection?.close();
  }
}
