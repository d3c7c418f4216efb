/** A run: rounds, one after the other, each starting from the last accepted policy. */
import {
  condition,
  continueAsNew,
  defineQuery,
  isCancellation,
  patched,
  setHandler,
  startChild,
  TemporalFailure,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { PromptSet } from '../activities/prepare.ts';
import { lengthSettings } from '../activities/prompts/limits.ts';
import type { PromptChecks } from '../activities/recheck.ts';
import { labelerSettings } from '../labelers/needs.ts';
import { control } from './activities.ts';
import { answerHeldOut, measureAnswers } from './answers.ts';
import { configOfRound, differencesOf } from '../config/changes.ts';
import type { RunConfig } from '../config/run.ts';
import { goOn, takeDecisions } from './decisions.ts';
import { ARTIFACT_DAMAGED, describeFailure, INPUT_ERROR, type Failure } from './failure.ts';
import { accepted, newJournal, policyOf, roundsOf, startOver, statusOf, type Journal } from './journal.ts';
import { roundWorkflowId, runNameOf } from './ids.ts';
import { haltSignal, round as roundWorkflow } from './round.ts';
import {
  BUDGET_SPENT,
  budgetSeconds,
  countFrom,
  Halted,
  isBudgetSpent,
  secondsLeft,
  secondsOfFailure,
  spend,
  spent,
  usdOf,
} from './spending.ts';
import type { RunStatus } from './status.ts';

export const runStatusQuery = defineQuery<RunStatus>('status');
/** The configuration with which a round runs, or would; by default the one in progress. */
export const configQuery = defineQuery<RunConfig, [number?]>('config');

/** Stages (a round, mostly) of one execution: the run goes on as a new one after these, so that no history grows long. */
const STAGES_PER_EXECUTION = 12;
/** Damaged artifacts of a run that are made again by itself; where there are more, something is wrong with the store. */
const MAX_REPAIRS = 5;

/**
 * @param journal what the execution before has left
 * @returns the run's last status, its results in it
 */
export async function alignment(config: RunConfig, journal: Journal = newJournal()): Promise<RunStatus> {
  const name = runNameOf(workflowInfo().workflowId);
  const status = () => statusOf(name, config, journal);
  setHandler(runStatusQuery, status);
  setHandler(configQuery, (round) => configOfRound(config, journal.changes, round ?? currentRound(journal)));
  takeDecisions(name, config, journal);

  for (let stages = 0; ; stages++) {
    if (stages === STAGES_PER_EXECUTION) await continueAsNew<typeof alignment>(config, journal);
    if (journal.asked === 'pause') {
      journal.state = 'paused';
      await condition(() => journal.asked !== 'pause');
    }
    const stage = nextStage(config, journal);
    if (!stage) break;
    const current = configOfRound(config, journal.changes, currentRound(journal));
    countFrom(journal.gpuSeconds, budgetSeconds(current));
    if (isBudgetSpent() && (stage.work === measureStart || stage.work === runRound)) {
      await recover(budgetSpent(current, journal), config, journal);
      continue;
    }
    try {
      journal.state = stage.state;
      await stage.work(current, journal);
      journal.retries = 0;
      journal.gpuSeconds = spent();
    } catch (error) {
      journal.gpuSeconds = spent();
      if (error instanceof Halted) continue;
      if (!(error instanceof TemporalFailure) || isCancellation(error)) throw error;
      const failure = { ...stage.place, ...describeFailure(error), since: new Date().toISOString() };
      // What the run was given is wrong: nothing is under way yet that could be lost.
      if (stage.work === prepare && failure.type === INPUT_ERROR) throw error;
      await recover(failure, config, journal);
    }
  }
  journal.state = journal.asked === 'stop' ? 'stopped' : 'done';
  delete journal.asked;
  return status();
}

/** 0 before the first. */
const currentRound = ({ start, round }: Journal) => (start ? round : 0);

interface Stage {
  state: RunStatus['state'];
  /** Where a failure is. */
  place: Pick<Failure, 'step' | 'round'>;
  work: (config: RunConfig, journal: Journal) => Promise<void>;
}

function nextStage(config: RunConfig, journal: Journal): Stage | undefined {
  const { prepared, start, round, outputSettled, releaseSettled } = journal;
  const rounds = roundsOf(config, journal);
  if (journal.asked !== 'stop') {
    if (!prepared) return { state: 'preparing', place: { step: 'prepare' }, work: prepare };
    // A scheduled run that finds no new prompts.
    if (rounds === 0) return undefined;
    if (!start) return { state: 'running', place: { step: 'start' }, work: measureStart };
    if (round <= rounds) return { state: 'running', place: { step: 'round', round }, work: runRound };
  }
  if (!prepared) return undefined;
  if (config.output !== undefined && !outputSettled) {
    return { state: 'publishing', place: { step: 'publish' }, work: publish };
  }
  // A scheduled run that has brought nothing better still has used its prompts.
  const due = journal.continues ? journal.done.length > 0 : journal.done.some(({ result }) => result.accepted);
  if (!due || releaseSettled) return undefined;
  return { state: 'publishing', place: { step: 'release' }, work: release };
}

/** The settings that a run's prompts are checked by. */
function promptChecks(config: RunConfig): PromptChecks {
  const { secondJudge } = config.evaluate;
  return {
    limits: lengthSettings(config),
    label: labelerSettings(config.label),
    ...(secondJudge && { secondJudge }),
  };
}

async function prepare(config: RunConfig, journal: Journal): Promise<void> {
  const { name, model, adapter, chatTemplate, prompts, rounds, seed } = config;
  const checks = promptChecks(config);
  const continues = journal.continues ? { continues: name } : {};
  journal.prepared = await control.prepare({
    model,
    adapter,
    ...(chatTemplate && { chatTemplate }),
    prompts,
    ...checks,
    rounds,
    seed,
    ...continues,
  });
  journal.checkedBy = checks;
}

/**
 * Checks the held-out prompts, and those of a round, where an operator has changed settings that they were checked by: what does not
 * fit is told before anything is computed with it.
 */
async function recheck(config: RunConfig, journal: Journal, prompts?: PromptSet): Promise<void> {
  const { prepared, checkedBy } = journal;
  const checks = promptChecks(config);
  if (!checkedBy || differencesOf(checkedBy, checks).length === 0) return;
  // Histories of earlier versions have no such activity.
  if (!patched('recheck')) return;
  const { policy, heldOut } = prepared!;
  await control.recheck({ policy, heldOut: heldOut.address, ...(prompts && { prompts: prompts.address }), ...checks });
}

async function measureStart(config: RunConfig, journal: Journal): Promise<void> {
  const { policy, heldOut } = journal.prepared!;
  await recheck(config, journal);
  const answers = await answerHeldOut(config, policy, heldOut, () => {});
  journal.start = {
    answers,
    summary: await measureAnswers({ ...config, label: labelerSettings(config.label) }, answers),
  };
}

async function runRound(config: RunConfig, journal: Journal): Promise<void> {
  const { prepared, start, round } = journal;
  if (journal.skipped.includes(round)) {
    journal.round++;
    return;
  }
  const prompts = prepared!.rounds[round - 1];
  await recheck(config, journal, prompts);
  const child = await startChild(roundWorkflow, {
    workflowId: roundWorkflowId(workflowInfo().workflowId, round),
    args: [
      {
        config,
        round,
        prompts,
        heldOut: prepared!.heldOut,
        start: start!.answers,
        previous: accepted(journal),
        ...(config.budget && { secondsLeft: secondsLeft() }),
      },
    ],
  });
  const result = child.result().catch((error: unknown) => {
    spend(secondsOfFailure(error));
    throw error;
  });
  await Promise.race([result, condition(() => journal.asked !== undefined)]);
  // It may have ended in this very moment.
  if (journal.asked) await child.signal(haltSignal).catch(() => {});
  const output = await result;
  spend(output.seconds);
  if ('halted' in output) return;
  journal.done.push(output);
  if (!output.result.accepted && config.evaluate.gate.onFail === 'stop') journal.asked = 'stop';
  journal.round++;
}

async function publish({ output }: RunConfig, journal: Journal): Promise<void> {
  const run = runNameOf(workflowInfo().workflowId);
  const lineage = { run, results: journal.done.map(({ result }) => result) };
  await control.publish({ policy: policyOf(journal)!, folder: output!, lineage });
  journal.outputSettled = true;
}

async function release(config: RunConfig, journal: Journal): Promise<void> {
  const { heldOut, rounds, dropped, previous } = journal.prepared!;
  const results = journal.done.map(({ result }) => result);
  const { version } = await control.release({
    name: config.name,
    policy: policyOf(journal)!,
    heldOut: heldOut.address,
    prompts: results.map(({ round }) => rounds[round - 1].address),
    evaluations: results.map(({ artifacts }) => artifacts.evaluation),
    lineage: { run: runNameOf(workflowInfo().workflowId), config, changes: journal.changes, dropped, results },
    ...(previous !== undefined && { previous }),
  });
  journal.version = version;
  journal.releaseSettled = true;
}

function budgetSpent({ budget }: RunConfig, { gpuSeconds }: Journal): Failure {
  const { usd } = budget!;
  const message = `the run has spent ${usdOf(gpuSeconds, budget!).toFixed(2)} of its ${usd} US dollars; raise budget.usd to go on`;
  return { step: 'budget', type: BUDGET_SPENT, message, since: new Date().toISOString() };
}

/** Mends what can be mended without an operator; else waits for a decision. */
async function recover(failure: Failure, config: RunConfig, journal: Journal): Promise<void> {
  if (failure.type === ARTIFACT_DAMAGED && journal.repairs.length < MAX_REPAIRS) {
    journal.repairs.push(failure.message);
    startOver(journal);
    return;
  }
  if (journal.asked === 'stop' && failure.round !== undefined) return;
  const { retries, backoff } = configOfRound(config, journal.changes, currentRound(journal)).onFailure;
  Object.assign(journal, { state: 'parked', failure });
  const decided = () => journal.failure === undefined;
  if (failure.type === INPUT_ERROR || failure.type === BUDGET_SPENT || journal.retries >= retries) {
    // To a worker that replays the run, a task without commands and the next one are one: it would take a decision before the failure
    // that the decision is about.
    if (patched('parked-memo')) upsertMemo({ parkedSince: failure.since });
    await condition(decided);
    return;
  }
  const wait = backoff * 1000 * 2 ** journal.retries++;
  failure.retryAt = new Date(Date.now() + wait).toISOString();
  if (!(await condition(decided, wait))) goOn(journal, {});
}
