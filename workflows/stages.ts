/** The stages of a run: prepare, measure the start policy, one stage per round, release and publish. */
import { condition, isCancellation, patched, startChild, TemporalFailure, workflowInfo } from '@temporalio/workflow';
import type { PromptSet } from '../activities/prepare.ts';
import { lengthSettings } from '../activities/prompts/limits.ts';
import type { PromptChecks } from '../activities/recheck.ts';
import { heldOutLabeler, labelerSettings } from '../labelers/needs.ts';
import { activitiesOf } from './activities.ts';
import { dueBenchmark, runBenchmark, type DueBenchmark } from './benchmarks.ts';
import { answerHeldOut, measureAnswers } from './answers.ts';
import { differencesOf } from '../config/changes.ts';
import { benchmarkOf } from '../config/benchmarks.ts';
import { poolOf } from '../config/pools.ts';
import type { RunConfig } from '../config/run.ts';
import { ARTIFACT_DAMAGED, BENCHMARKS, describeFailure, type Failure } from './failure.ts';
import { accepted, isStopping, policyOf, roundsOf, type Journal } from './journal.ts';
import { roundWorkflowId, runNameOf } from './ids.ts';
import { abandonVoting, lateVotesFor, votersOf } from './people/decisions.ts';
import { guidanceOf } from './people/label.ts';
import type { RunningStep } from './place.ts';
import { round as roundWorkflow } from './round.ts';
import { haltSignal } from './round-steps.ts';
import { attributesOfRound } from './search-attributes.ts';
import { secondsLeft, secondsOfFailure, spend } from './spending.ts';
import type { RunStatus } from './status.ts';

interface Stage {
  state: RunStatus['state'];
  /** The place that a failure of this stage reports. */
  place: Pick<Failure, 'step' | 'round' | 'benchmark'>;
  /** Whether it needs GPU workers. If so, it does not start after the budget is spent. */
  costs: boolean;
  work: (config: RunConfig, journal: Journal) => Promise<void>;
}

/** The next stage of a run. @returns undefined at the end of the run */
export function nextStage(config: RunConfig, journal: Journal): Stage | undefined {
  const { prepared, start, round, outputSettled, releaseSettled } = journal;
  const rounds = roundsOf(config, journal);
  const isStopped = isStopping(journal);
  if (!isStopped) {
    if (!prepared) return { state: 'preparing', place: { step: 'prepare' }, costs: false, work: prepare };
    // A scheduled run without new prompts.
    if (rounds === 0) return undefined;
    if (!start) return { state: 'running', place: { step: 'start' }, costs: true, work: measureStart };
  }
  const benchmark = dueBenchmark(config, journal);
  if (benchmark) return benchmarkStage(benchmark);
  if (!isStopped && round <= rounds) {
    return { state: 'running', place: { step: 'round', round }, costs: true, work: runRound };
  }
  if (!prepared) return undefined;
  // A scheduled run makes a release even if no round was accepted, because the release records the used prompts.
  const due = journal.continues ? journal.done.length > 0 : journal.done.some(({ result }) => result.accepted);
  const releases = due && !releaseSettled;
  const publishes = config.output !== undefined && !outputSettled;
  // A release does not wait for a folder. Runs of earlier versions publish first.
  if (releases && !(publishes && !patched(RELEASE_FIRST))) {
    return { state: 'publishing', place: { step: 'release' }, costs: false, work: release };
  }
  if (!publishes) return undefined;
  return { state: 'publishing', place: { step: 'publish' }, costs: false, work: publish };
}

/** Marker of runs that release before they publish, and that end if they cannot publish. */
const RELEASE_FIRST = 'release-first';

/** The settings that affect the check of a run's prompts. */
function promptChecks(config: RunConfig): PromptChecks {
  const { labeler, secondJudge } = config.evaluate;
  const label = labelerSettings(config.label);
  const guidance = config.label.by === 'people' ? guidanceOf(config.label) : undefined;
  return {
    limits: lengthSettings(config),
    ...(label && { label }),
    ...(labeler && { heldOutLabeler: labeler }),
    ...(guidance && { guidance }),
    ...(secondJudge && { secondJudge }),
  };
}

async function prepare(config: RunConfig, journal: Journal): Promise<void> {
  const { name, model, adapter, chatTemplate, prompts, rounds, seed, backend, sample, optimize } = config;
  const checks = promptChecks(config);
  const { benchmarks } = config.evaluate;
  const continues = journal.continues ? { continues: name } : {};
  const { control } = activitiesOf({ step: 'prepare' });
  journal.prepared = await control.prepare({
    model,
    adapter,
    ...(chatTemplate && { chatTemplate }),
    prompts,
    ...checks,
    rounds,
    seed,
    ...(benchmarks && { benchmarks: benchmarks.map(benchmarkOf) }),
    use: {
      ...(backend && { backend }),
      isServed: sample.server !== undefined || sample.backend === 'vllm',
      ...(!optimize.full && { lora: optimize.lora }),
    },
    ...continues,
  });
  journal.checkedBy = checks;
}

/**
 * Checks the held-out prompts and the prompts of a round again if an operator has changed a setting that affects the check. An invalid
 * prompt fails the stage before anything is computed.
 * @param of the round and its prompts
 */
async function recheck(config: RunConfig, journal: Journal, of?: { round: number; prompts: PromptSet }): Promise<void> {
  const { prepared, checkedBy } = journal;
  const checks = promptChecks(config);
  if (!checkedBy || differencesOf(checkedBy, checks).length === 0) return;
  // Histories of earlier versions do not have this activity.
  if (!patched('recheck')) return;
  const { policy, heldOut } = prepared!;
  const { control } = activitiesOf({ ...(of && { round: of.round }), step: 'prepare' });
  const prompts = of && { prompts: of.prompts.address };
  await control.recheck({ policy, heldOut: heldOut.address, ...prompts, ...checks });
}

async function measureStart(config: RunConfig, journal: Journal): Promise<void> {
  const { policy, heldOut } = journal.prepared!;
  await recheck(config, journal);
  const step: RunningStep = { place: { step: 'start' }, pool: poolOf(config), tick: () => {} };
  const answers = await answerHeldOut(step, config, policy, heldOut);
  journal.start = {
    answers,
    summary: await measureAnswers(step, { ...config, label: heldOutLabeler(config) }, answers),
  };
}

const benchmarkStage = (due: DueBenchmark): Stage => ({
  state: 'running',
  place: { step: BENCHMARKS, benchmark: due.benchmark.name, ...(due.round > 0 && { round: due.round }) },
  costs: true,
  work: async (config, journal) => {
    (journal.benchmarks ??= []).push(await runBenchmark(config, due));
  },
});

async function runRound(config: RunConfig, journal: Journal): Promise<void> {
  const { prepared, start, round } = journal;
  if (journal.skipped.includes(round)) {
    journal.round++;
    return;
  }
  const prompts = prepared!.rounds[round - 1];
  await recheck(config, journal, { round, prompts });
  const { workflowId } = workflowInfo();
  const name = runNameOf(workflowId);
  const attributes = attributesOfRound(name, round);
  if (journal.openVoting && journal.openVoting.round !== round) await abandonVoting(journal);
  const late = lateVotesFor(journal, round);
  const earlierVoters = votersOf(journal);
  const child = await startChild(roundWorkflow, {
    workflowId: roundWorkflowId(workflowId, round),
    staticSummary: `round ${round} of ${prepared!.rounds.length}`,
    staticDetails: `Run ${name}, ${prompts.count} training prompts.`,
    ...(attributes && { typedSearchAttributes: attributes }),
    args: [
      {
        config,
        round,
        prompts,
        heldOut: prepared!.heldOut,
        start: start!.answers,
        previous: accepted(journal),
        ...(config.budget && { secondsLeft: secondsLeft() }),
        ...(late.length > 0 && { late }),
        ...(earlierVoters.length > 0 && { earlierVoters }),
        ...(journal.closeVoting !== undefined && { closeVoting: journal.closeVoting }),
      },
    ],
  });
  const result = child.result().catch((error: unknown) => {
    spend(secondsOfFailure(error));
    throw error;
  });
  const isHalted = () => journal.requested === 'pause' || isStopping(journal);
  await Promise.race([result, condition(isHalted)]);
  // The round may have ended meanwhile. In that case there is nothing to signal.
  if (isHalted()) await child.signal(haltSignal).catch(() => {});
  const output = await result;
  spend(output.seconds);
  if ('halted' in output) return;
  journal.done.push(output);
  if (output.voted?.questions === journal.openVoting?.questions) delete journal.openVoting;
  if (!output.result.accepted && config.evaluate.gate.onFail === 'stop') {
    journal.requested = 'stop';
    journal.stoppedByGate = true;
  }
  journal.round++;
}

/** Writes the policy to the output folder. If that fails after all retries, the run records it and ends: the policy is in the store. */
async function publish({ name, output }: RunConfig, journal: Journal): Promise<void> {
  const run = runNameOf(workflowInfo().workflowId);
  const lineage = { run, results: journal.done.map(({ result }) => result) };
  const { control } = activitiesOf({ step: 'publish' });
  try {
    await control.publish({ policy: policyOf(journal)!, folder: output!, lineage });
  } catch (error) {
    if (!(error instanceof TemporalFailure) || isCancellation(error)) throw error;
    const { type, message } = describeFailure(error);
    if (type === ARTIFACT_DAMAGED || !patched(RELEASE_FIRST)) throw error;
    const remedy =
      journal.version === undefined
        ? 'It is the policy that the run started from'
        : `selm export --model ${name}@${journal.version} --out FOLDER writes it`;
    journal.publication = `The policy is not in ${output} (${message}). ${remedy}.`;
  }
  journal.outputSettled = true;
}

async function release(config: RunConfig, journal: Journal): Promise<void> {
  const { heldOut, rounds, dropped, previous } = journal.prepared!;
  const results = journal.done.map(({ result }) => result);
  const { benchmarks } = journal;
  const { control } = activitiesOf({ step: 'release' });
  const { version } = await control.release({
    name: config.name,
    policy: policyOf(journal)!,
    heldOut: heldOut.address,
    prompts: results.map(({ round }) => rounds[round - 1].address),
    evaluations: results.map(({ artifacts }) => artifacts.evaluation),
    ...(benchmarks && { benchmarks: benchmarks.flatMap(({ address }) => address ?? []) }),
    lineage: {
      run: runNameOf(workflowInfo().workflowId),
      config,
      changes: journal.changes,
      dropped,
      results,
      ...(benchmarks && { benchmarks }),
    },
    ...(previous !== undefined && { previous }),
  });
  journal.version = version;
  journal.releaseSettled = true;
}
