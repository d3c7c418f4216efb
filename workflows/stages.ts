/** The stages of a run: prepare, measure the start policy, one stage per round, publish and release. */
import { condition, patched, startChild, workflowInfo } from '@temporalio/workflow';
import type { PromptSet } from '../activities/prepare.ts';
import { lengthSettings } from '../activities/prompts/limits.ts';
import type { PromptChecks } from '../activities/recheck.ts';
import { labelerSettings } from '../labelers/needs.ts';
import { activitiesOf } from './activities.ts';
import { answerHeldOut, measureAnswers } from './answers.ts';
import { differencesOf } from '../config/changes.ts';
import type { RunConfig } from '../config/run.ts';
import type { Failure } from './failure.ts';
import { accepted, policyOf, roundsOf, type Journal } from './journal.ts';
import { roundWorkflowId, runNameOf } from './ids.ts';
import type { RunningStep } from './place.ts';
import { round as roundWorkflow } from './round.ts';
import { haltSignal } from './round-steps.ts';
import { attributesOfRound } from './search-attributes.ts';
import { secondsLeft, secondsOfFailure, spend } from './spending.ts';
import type { RunStatus } from './status.ts';

interface Stage {
  state: RunStatus['state'];
  /** The place that a failure of this stage reports. */
  place: Pick<Failure, 'step' | 'round'>;
  /** Whether it needs GPU workers. If so, it does not start after the budget is spent. */
  costs: boolean;
  work: (config: RunConfig, journal: Journal) => Promise<void>;
}

/** The round in progress, or the next one. 0 before the start policy has been measured. */
export const currentRound = ({ start, round }: Journal): number => (start ? round : 0);

/** The next stage of a run. @returns undefined at the end of the run */
export function nextStage(config: RunConfig, journal: Journal): Stage | undefined {
  const { prepared, start, round, outputSettled, releaseSettled } = journal;
  const rounds = roundsOf(config, journal);
  if (journal.requested !== 'stop') {
    if (!prepared) return { state: 'preparing', place: { step: 'prepare' }, costs: false, work: prepare };
    // A scheduled run without new prompts.
    if (rounds === 0) return undefined;
    if (!start) return { state: 'running', place: { step: 'start' }, costs: true, work: measureStart };
    if (round <= rounds) return { state: 'running', place: { step: 'round', round }, costs: true, work: runRound };
  }
  if (!prepared) return undefined;
  if (config.output !== undefined && !outputSettled) {
    return { state: 'publishing', place: { step: 'publish' }, costs: false, work: publish };
  }
  // A scheduled run makes a release even if no round was accepted, because the release records the used prompts.
  const due = journal.continues ? journal.done.length > 0 : journal.done.some(({ result }) => result.accepted);
  if (!due || releaseSettled) return undefined;
  return { state: 'publishing', place: { step: 'release' }, costs: false, work: release };
}

/** The settings that affect the check of a run's prompts. */
function promptChecks(config: RunConfig): PromptChecks {
  const { secondJudge } = config.evaluate;
  return {
    limits: lengthSettings(config),
    label: labelerSettings(config.label),
    ...(secondJudge && { secondJudge }),
  };
}

async function prepare(config: RunConfig, journal: Journal): Promise<void> {
  const { name, model, adapter, chatTemplate, prompts, rounds, seed, backend, sample, optimize } = config;
  const checks = promptChecks(config);
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
  const step: RunningStep = { place: { step: 'start' }, tick: () => {} };
  const answers = await answerHeldOut(step, config, policy, heldOut);
  journal.start = {
    answers,
    summary: await measureAnswers(step, { ...config, label: labelerSettings(config.label) }, answers),
  };
}

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
      },
    ],
  });
  const result = child.result().catch((error: unknown) => {
    spend(secondsOfFailure(error));
    throw error;
  });
  await Promise.race([result, condition(() => journal.requested !== undefined)]);
  // The round may have ended meanwhile. In that case there is nothing to signal.
  if (journal.requested) await child.signal(haltSignal).catch(() => {});
  const output = await result;
  spend(output.seconds);
  if ('halted' in output) return;
  journal.done.push(output);
  if (!output.result.accepted && config.evaluate.gate.onFail === 'stop') journal.requested = 'stop';
  journal.round++;
}

async function publish({ output }: RunConfig, journal: Journal): Promise<void> {
  const run = runNameOf(workflowInfo().workflowId);
  const lineage = { run, results: journal.done.map(({ result }) => result) };
  const { control } = activitiesOf({ step: 'publish' });
  await control.publish({ policy: policyOf(journal)!, folder: output!, lineage });
  journal.outputSettled = true;
}

async function release(config: RunConfig, journal: Journal): Promise<void> {
  const { heldOut, rounds, dropped, previous } = journal.prepared!;
  const results = journal.done.map(({ result }) => result);
  const { control } = activitiesOf({ step: 'release' });
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
