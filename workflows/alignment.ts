/** A run: a sequence of rounds. Each round starts from the last accepted policy. */
import {
  condition,
  continueAsNew,
  defineQuery,
  isCancellation,
  patched,
  setCurrentDetails,
  setHandler,
  TemporalFailure,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import { configOfRound } from '../config/changes.ts';
import type { RunConfig } from '../config/run.ts';
import { goOn, takeDecisions } from './decisions.ts';
import { describeRun } from './details.ts';
import { ARTIFACT_DAMAGED, describeFailure, INPUT_ERROR, VOTES_MISSING, type Failure } from './failure.ts';
import { currentJournal, currentRound, isStopping, newJournal, startOver, statusOf, type Journal } from './journal.ts';
import { runNameOf } from './ids.ts';
import { abandonVoting, takeVotingMessages } from './people/decisions.ts';
import { updateAttributes } from './search-attributes.ts';
import { BUDGET_SPENT, budgetSeconds, countFrom, Halted, isBudgetSpent, spent, usdOf } from './spending.ts';
import { nextStage } from './stages.ts';
import type { RunStatus } from './status.ts';

export const runStatusQuery = defineQuery<RunStatus>('status');
/** Query: the configuration of a round. Default: the round in progress. */
export const configQuery = defineQuery<RunConfig, [number?]>('config');

/** Maximum stages (mostly rounds) of one execution. The run then continues as a new execution, which keeps histories short. */
const STAGES_PER_EXECUTION = 12;
/** Maximum damaged artifacts that a run recomputes without an operator. More damage indicates a faulty store. */
const MAX_REPAIRS = 5;
/** Milliseconds. */
const LONGEST_BACKOFF = 24 * 3600 * 1000;

/**
 * The workflow of a run.
 * @param before the journal of the previous execution. For a new run: whether it continues from a release
 * @returns the run's last status, with its results
 */
export async function alignment(config: RunConfig, before: Journal = newJournal()): Promise<RunStatus> {
  const journal = currentJournal(before);
  const name = runNameOf(workflowInfo().workflowId);
  const status = () => statusOf(name, config, journal);
  const enter = (state: RunStatus['state']) => {
    journal.state = state;
    show(status());
  };
  setHandler(runStatusQuery, status);
  setHandler(configQuery, (round) => configOfRound(config, journal.changes, round ?? currentRound(journal)));
  takeDecisions(name, config, journal);
  takeVotingMessages(name, config, journal, () => show(status()));

  for (let stages = 0; ; stages++) {
    if (stages === STAGES_PER_EXECUTION) await continueAsNew<typeof alignment>(config, journal);
    if (journal.requested === 'pause') {
      enter('paused');
      await condition(() => journal.requested !== 'pause');
    }
    const stage = nextStage(config, journal);
    if (!stage) break;
    const current = configOfRound(config, journal.changes, currentRound(journal));
    countFrom(journal.gpuSeconds, budgetSeconds(current));
    if (isBudgetSpent() && stage.costs) {
      await recover(budgetSpent(current, journal), config, journal, enter);
      continue;
    }
    try {
      enter(stage.state);
      await stage.work(current, journal);
      journal.retries = 0;
      if (currentRound(journal) > (journal.repairing ?? Infinity)) delete journal.repairing;
      journal.gpuSeconds = spent();
    } catch (error) {
      journal.gpuSeconds = spent();
      if (error instanceof Halted) continue;
      if (!(error instanceof TemporalFailure) || isCancellation(error)) throw error;
      const failure = { ...stage.place, ...describeFailure(error), since: new Date().toISOString() };
      // The configuration is wrong and nothing has been computed yet, so the run can fail without losing work.
      if (stage.state === 'preparing' && failure.type === INPUT_ERROR) throw error;
      await recover(failure, config, journal, enter);
    }
  }
  const end = journal.requested === 'stop' ? 'stopped' : 'done';
  delete journal.requested;
  // A run that was stopped goes on with its voting when it is started again.
  if (end === 'done') await abandonVoting(journal);
  enter(end);
  return status();
}

/** Shows the run's status in Temporal's UI. */
function show(status: RunStatus): void {
  setCurrentDetails(describeRun(status));
  updateAttributes(status);
}

function budgetSpent({ budget }: RunConfig, { gpuSeconds }: Journal): Failure {
  const { usd } = budget!;
  const message = `the run has spent ${usdOf(gpuSeconds, budget!).toFixed(2)} of its ${usd} US dollars; raise budget.usd to go on`;
  return { step: 'budget', type: BUDGET_SPENT, message, since: new Date().toISOString() };
}

/** Handles failures that need no operator by repair or retry. Otherwise parks the run until an operator decides. */
async function recover(
  failure: Failure,
  config: RunConfig,
  journal: Journal,
  enter: (state: RunStatus['state']) => void,
): Promise<void> {
  if (failure.type === ARTIFACT_DAMAGED && journal.repairs.length < MAX_REPAIRS) {
    journal.repairs.push(failure.message);
    startOver(journal);
    return;
  }
  if (isStopping(journal) && !journal.stoppedByGate && failure.round !== undefined) return;
  const { retries, backoff } = configOfRound(config, journal.changes, currentRound(journal)).onFailure;
  journal.failure = failure;
  const decided = () => journal.failure === undefined;
  const wantsDecision = [INPUT_ERROR, BUDGET_SPENT, VOTES_MISSING].includes(failure.type ?? '');
  if (wantsDecision || journal.retries >= retries) {
    enter('parked');
    // On replay, a worker merges a workflow task without commands with the next one. Without a command here it would apply the decision
    // before the failure that the decision is about.
    if (patched('parked-memo')) upsertMemo({ parkedSince: failure.since });
    await condition(decided);
    return;
  }
  const wait = Math.min(backoff * 1000 * 2 ** journal.retries++, LONGEST_BACKOFF);
  failure.retryAt = new Date(Date.now() + wait).toISOString();
  enter('parked');
  if (!(await condition(decided, wait))) goOn(journal, {});
}
