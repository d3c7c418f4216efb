/** Runs whose activities are stand-ins that return immediately, for tests of the workflows. */
import { fileURLToPath } from 'node:url';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkerOptions,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { hashValue } from '../../artifacts/hash.ts';
import type { ControlActivities, ModelActivities } from '../../activities/index.ts';
import { runSchema, type RunConfig } from '../../config/run.ts';
import { CONTROL_QUEUE, MODEL_QUEUES } from '../../workflows/queues.ts';

export type Activities = ControlActivities & ModelActivities;
export type ActivityName = keyof Activities;

export function testConfig(changes: object = {}): RunConfig {
  const prompts = { train: 'train.jsonl', heldOut: 8 };
  return { ...runSchema.parse({ name: 'test', model: 'org/model', prompts, rounds: 2, ...changes }), threads: 2 };
}

/** Silences Temporal's log, which reports every failure that a test causes. */
export const silenceTemporal = () =>
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: 'ERROR', forward: {} } },
  });

/** The current workflows: the bundle that test/build.ts has built; outside Vitest, they are bundled here. */
export async function bundleWorkflows(): Promise<WorkflowBundleOption> {
  const codePath = process.env['SELM_WORKFLOW_BUNDLE'];
  if (codePath !== undefined) return { codePath };
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
}

const made = (name: string, input: object, summary: object) => ({
  address: hashValue([name, input]),
  reused: false,
  summary,
});

const answered = { prompts: 8, meanScore: 0.5, strictPassRate: 0.25, meanTokens: 7, meanCharacters: 20 };
const comparison = {
  opponent: answered,
  wins: 4,
  ties: 2,
  losses: 2,
  winRate: 0.625,
  winRateInterval: { low: 0.4, high: 0.8 },
  kl: 1,
  klPerToken: 0.1,
  klInterval: { low: 0.5, high: 1.5 },
};

/** Activities that return immediately. They record their calls, and run a hook of the test before they return. */
export class StandIns {
  readonly calls: { name: ActivityName; input: Record<string, unknown> }[] = [];
  /** GPU seconds that every activity reports. */
  seconds = 0;
  /** Whether optimize reports that training changed nothing. */
  unchanged = false;
  /** Called before an activity of this name returns, with the number of its calls so far. */
  readonly before: { [Name in ActivityName]?: (times: number, input: Record<string, unknown>) => unknown } = {};
  private readonly promptsPerRound: number;

  constructor(promptsPerRound = 8) {
    this.promptsPerRound = promptsPerRound;
  }

  callsOf(name: ActivityName) {
    return this.calls.filter((call) => call.name === name).map(({ input }) => input);
  }

  private act<Name extends ActivityName>(name: Name, answer: (input: Parameters<Activities[Name]>[0]) => object) {
    return async (input: Record<string, unknown>) => {
      this.calls.push({ name, input });
      await this.before[name]?.(this.callsOf(name).length, input);
      return { ...answer(input as never), seconds: this.seconds };
    };
  }

  activities() {
    return {
      prepare: this.act('prepare', ({ rounds }) => ({
        policy: hashValue('start'),
        heldOut: { address: hashValue('held out'), count: 8 },
        rounds: Array.from({ length: rounds }, (_, i) => ({
          address: hashValue(`prompts of round ${i + 1}`),
          count: this.promptsPerRound,
        })),
      })),
      recheck: this.act('recheck', () => ({ prompts: 16 })),
      sample: this.act('sample', (input) => made('sample', input, { prompts: 1, promptTokens: 1, sampledTokens: 1 })),
      unloadAdapter: this.act('unloadAdapter', () => ({ unloaded: true })),
      reference: this.act('reference', (input) => made('reference', input, { preferences: 8 })),
      divergence: this.act('divergence', (input) => made('divergence', input, { kl: 1, klPerToken: 0.1 })),
      label: this.act('label', (input) => made('label', input, { prompts: 8, candidates: 8, unjudged: 0, counts: {} })),
      labelHeldOut: this.act('labelHeldOut', (input) =>
        made('labelHeldOut', input, { prompts: 8, candidates: 8, unjudged: 0, counts: {} }),
      ),
      ask: this.act('ask', (input) => {
        const questions = Array.from({ length: input.asking.votes }, (_, i) => ({ id: `q${i + 1}`, votes: 1 }));
        return made('ask', input, { questions, gold: [], prompts: 8, unaskable: 0 });
      }),
      findVotes: this.act('findVotes', () => ({})),
      storeVotes: this.act('storeVotes', (input) =>
        made('storeVotes', input, {
          votes: input.votes.length,
          skips: input.skips.length,
          voters: [...new Set(input.votes.map(({ person }) => person))],
        }),
      ),
      tally: this.act('tally', (input) =>
        made('tally', input, { prompts: 8, candidates: 16, unjudged: 0, counts: {} }),
      ),
      // The name of `labelHeldOut` in histories of earlier versions.
      judge: this.act('judge', (input) => made('judge', input, { prompts: 8, candidates: 8, unjudged: 0, counts: {} })),
      prefer: this.act('prefer', (input) =>
        made('prefer', input, { rows: 8, preferences: 8, dropped: {}, truncated: 0 }),
      ),
      optimize: this.act('optimize', (input) =>
        made('optimize', input, {
          steps: 1,
          unchanged: this.unchanged,
          metrics: { loss: 0.5 },
          rows: { rows: 8, truncated: 0, equal: 0, promptTooLong: 0, promptNotPrefix: 0 },
        }),
      ),
      evaluate: this.act('evaluate', (input) =>
        made('evaluate', input, { ...answered, ...(input.opponent && { against: comparison }) }),
      ),
      benchmarkPrompts: this.act('benchmarkPrompts', ({ benchmark }) => ({
        sets: [{ address: hashValue(benchmark), count: 8, settings: { temperature: 0, maxNewTokens: 16 } }],
        more: false,
      })),
      benchmark: this.act('benchmark', (input) =>
        made('benchmark', input, {
          benchmark: input.benchmark.name,
          rows: [{ task: 'ifeval', metric: 'prompt_level_strict_acc', value: 0.5, error: 0.1, count: 8 }],
        }),
      ),
      publish: this.act('publish', ({ folder }) => ({ folder })),
      release: this.act('release', () => ({ version: 1 })),
    };
  }
}

export const badInput = (message: string) => ApplicationFailure.nonRetryable(message, 'InputError');

/** Runs workers while `test` runs: for the control queue, and for the queue of the pool `single` unless `gpuOptions` names another. */
export async function withWorkers<T>(
  {
    environment,
    bundle: workflowBundle,
  }: { environment: Pick<TestWorkflowEnvironment, 'nativeConnection'>; bundle: WorkflowBundleOption },
  standIns: StandIns,
  test: () => Promise<T>,
  gpuOptions: Partial<WorkerOptions> = {},
): Promise<T> {
  const shared = { connection: environment.nativeConnection, activities: standIns.activities() };
  const gpu = await Worker.create({ ...shared, taskQueue: MODEL_QUEUES.single, ...gpuOptions });
  const control = await Worker.create({ ...shared, taskQueue: CONTROL_QUEUE, workflowBundle });
  return control.runUntil(gpu.runUntil(test));
}
