/** Texts about decisions: what each one does, for the command line and the web pages. */
import type { Decision, DecisionLog } from '../workflows/decision-log.ts';
import { describeDecision } from '../workflows/decision-log.ts';
import { ARTIFACT_DAMAGED, BENCHMARKS, culpritOf } from '../workflows/failure.ts';
import { BUDGET_SPENT } from '../workflows/spending.ts';
import type { RoundStatus, RunStatus } from '../workflows/status.ts';
import { STEPS } from '../workflows/status.ts';
import type { VotingView } from './voting.ts';

interface Words {
  /** What the decision does, as the help of the command says it. */
  about: string;
  /** That it was carried out. @param name of the run */
  done: (name: string) => string;
}

export const DECISION_WORDS: Record<Decision, Words> = {
  retry: {
    about: 'Retry what failed in a run. Cached artifacts are reused.',
    done: (name) => `Run "${name}" is retried.`,
  },
  skip: {
    about:
      'Skip the failed round: the next round starts from the last accepted policy. If a benchmark has failed, only that is skipped.',
    done: (name) => `Run "${name}" skips what has failed.`,
  },
  stop: {
    about: 'Stop a run after the step in progress; its last accepted policy is released, as when a run ends.',
    done: (name) => `Run "${name}" stops after the step in progress.`,
  },
  pause: {
    about: 'Pause a run after the step in progress, until selm resume.',
    done: (name) => `Run "${name}" pauses after the step in progress: selm resume ${name}`,
  },
  resume: {
    about: 'Resume a paused run.',
    done: (name) => `Run "${name}" is resumed.`,
  },
  'close voting': {
    about:
      'End the voting of a run: the round goes on with the votes that are in, once the questions that people hold are answered ' +
      'or free again (label.leaseMinutes).',
    done: (name) => `Run "${name}" goes on with the votes that are in.`,
  },
};

/** The decisions about a run, a line each, the first line says how many earlier ones are no longer listed. */
export const decisionLines = ({ decisions = [], earlierDecisions }: DecisionLog): string[] => [
  ...(earlierDecisions === undefined ? [] : [`${earlierDecisions} earlier decisions are not listed.`]),
  ...decisions.map((record) => `Decision: ${describeDecision(record)}.`),
];

/** What the consequences of a decision depend on. */
export interface Situation {
  status: RunStatus;
  /** The steps of the round in progress, if there is one. */
  round?: RoundStatus;
  /** For closing it: the voting of the round. */
  voting?: VotingView;
  /** `label.otherwise.by`, if it is set. */
  otherwise?: string;
}

/** What a decision changes, keeps and reuses in this situation: sentences. */
export function consequencesOf(decision: Decision, { status, round, voting, otherwise }: Situation): string[] {
  switch (decision) {
    case 'retry':
      return ofRetry(status);
    case 'skip':
      return ofSkip(status);
    case 'stop':
      return ofStop(status, round);
    case 'pause':
      return [
        `${stepInProgress(status, round)} is finished first. Then the run waits until it is resumed and uses no worker.`,
        'Nothing is lost: the artifacts of finished steps are reused.',
      ];
    case 'resume':
      if (status.state !== 'paused') return ['The request to pause is withdrawn. The run continues.'];
      return [`The run continues${inRound(status)}. Steps that have finished are reused.`];
    case 'close voting':
      return voting ? ofClosing(voting, otherwise) : [];
  }
}

function ofRetry({ failure, rounds, round }: RunStatus): string[] {
  const where = failure?.round === undefined ? failure && culpritOf(failure) : `round ${failure.round} of ${rounds}`;
  if (failure?.type === BUDGET_SPENT)
    return ['The run continues if the new settings have a budget.usd above the amount already spent.'];
  if (failure?.type === ARTIFACT_DAMAGED)
    return ['The run starts again from its first step. Intact artifacts are reused; damaged ones are computed again.'];
  return [
    `The run repeats ${where}${failure?.round === undefined ? '' : `, which failed in ${culpritOf(failure)}`}. ` +
      'Finished steps are reused, and a training resumes from its last checkpoint.',
    'New settings apply from the retried round on. Steps that they change are computed again.',
    ...(round !== undefined && round > 1
      ? [
          'If you give an earlier round, the results of that round and of the later ones are discarded and computed again.',
        ]
      : []),
  ];
}

function ofSkip(status: RunStatus): string[] {
  const { failure, rounds } = status;
  if (failure?.step === BENCHMARKS)
    return [
      'The benchmark that has failed is skipped for this policy, and has no result in the report. Rounds and other benchmarks go on.',
    ];
  const skipped = failure?.round ?? 0;
  const next =
    skipped < rounds
      ? `Round ${skipped + 1} starts from ${lastPolicy(status)}.`
      : `It is the last round: the run ends with ${lastPolicy(status)}.`;
  return [
    `Round ${skipped} of ${rounds} is skipped and trains no policy. ${next}`,
    'The prompts of the skipped round are not used again in this run. Its artifacts stay in the store.',
  ];
}

function ofStop(status: RunStatus, round?: RoundStatus): string[] {
  const { failure, state, results } = status;
  const first =
    failure === undefined && state !== 'paused'
      ? `${stepInProgress(status, round)} is finished first. Then the run ends.`
      : 'The run ends now.';
  const isPublishing = failure?.step === 'release' || failure?.step === 'publish';
  const release = results.some(({ accepted }) => accepted)
    ? `The run keeps ${lastPolicy(status)}, which is released as when a run ends.`
    : 'No round has been accepted, so there is no new policy to release.';
  const rest = isPublishing
    ? `The failed step ${failure.step} is not repeated. The policy stays in the store.`
    : release;
  return [
    first,
    rest,
    'A stopped run cannot be resumed. A new run with the same name and settings reuses the artifacts of all finished steps.',
  ];
}

function ofClosing({ votes, asked, leases }: VotingView, otherwise: string | undefined): string[] {
  const held = leases === 1 ? 'the question that a person holds' : `the ${leases} questions that people hold`;
  const free = 'answered or free again (label.leaseMinutes)';
  const next =
    leases === 0
      ? 'Nobody holds a question: the round goes on at once.'
      : `The round goes on when ${held} ${leases === 1 ? 'is' : 'are'} ${free}.`;
  const unasked = otherwise === undefined ? 'give none either' : `are labeled by label.otherwise (${otherwise})`;
  return [
    `${votes} of ${asked} votes are in. No further question is given. ${next}`,
    `Questions without votes give no preference. Prompts that nobody was asked about ${unasked}.`,
    'The voting cannot be opened again. The votes are kept.',
    ...(votes === 0 && leases === 0 && otherwise === undefined
      ? ['Without a vote there is no preference to train on, and the round fails.']
      : []),
  ];
}

function stepInProgress({ state, start }: RunStatus, round?: RoundStatus): string {
  const step = round && STEPS.find((name) => round.steps[name].state === 'running');
  if (round && step) return `The step in progress (${step} of round ${round.round})`;
  if (state === 'preparing') return 'The step in progress (prepare)';
  return start ? 'The step in progress' : 'The step in progress (the measurement of the start policy)';
}

const inRound = ({ round, rounds }: RunStatus) => (round === undefined ? '' : ` with round ${round} of ${rounds}`);

/** The last accepted policy, by its round. */
function lastPolicy({ results }: RunStatus): string {
  const last = results.findLast(({ accepted }) => accepted);
  return last ? `the policy of round ${last.round}` : 'the start policy';
}
