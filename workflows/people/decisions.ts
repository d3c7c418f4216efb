/** What operators and people tell a run about its voting: to go on with the votes that are in, and votes that come late. */
import { defineUpdate, getExternalWorkflowHandle, setHandler, workflowInfo } from '@temporalio/workflow';
import type { RunConfig } from '../../config/run.ts';
import { logDecision } from '../decision-log.ts';
import { checkDecision, goOn, refuse, type DecisionRequest } from '../decisions.ts';
import { blockWorkflowId, roundWorkflowId } from '../ids.ts';
import { roundsOf, type Journal } from '../journal.ts';
import type { LateVotes } from './label.ts';
import { lateVotesQuery, lateVoteUpdate, type LateVote } from './late.ts';
import { votingSignal } from './progress.ts';
import { closeSignal } from './protocol.ts';
import { closeVotingSignal } from './voting.ts';

/** Update: the round in progress goes on with the votes that are in, also if the run has parked at the deadline. */
export const closeVotingUpdate = defineUpdate<void, [DecisionRequest]>('closeVoting');

/**
 * Registers the handlers of the run `name`, which change its journal. As in decisions.ts, they do not wait.
 * @param show shows the run's status in Temporal's UI
 */
export function takeVotingMessages(name: string, config: RunConfig, journal: Journal, show: () => void): void {
  setHandler(votingSignal, (voting) => {
    if (voting) {
      // The round runs again with settings that give it other questions.
      if (journal.openVoting && journal.openVoting.questions !== voting.questions) void abandonVoting(journal);
      const { round, questions, blocks } = voting;
      Object.assign(journal, { voting, openVoting: { round, questions, blocks } });
    } else delete journal.voting;
    show();
  });

  const close = ({ by }: DecisionRequest) => {
    logDecision(journal, 'close voting', { by, round: journal.round });
    // For a round that is paused, or ends before it has told its blocks: it runs again.
    if (journal.openVoting) journal.closeVoting = journal.openVoting.questions;
    if (journal.failure) goOn(journal, {});
    else {
      const round = getExternalWorkflowHandle(roundWorkflowId(workflowInfo().workflowId, journal.round));
      // Before the round says so: a second decision is refused.
      if (journal.voting) journal.voting.closing = true;
      // The round may have ended: with all votes in this moment, or because the run is paused.
      round.signal(closeVotingSignal).catch(() => {});
    }
  };
  setHandler(closeVotingUpdate, close, {
    validator: (request) => checkDecision(name, journal, 'close voting', request),
  });

  setHandler(lateVotesQuery, () => journal.lateVotes?.map(({ questions, vote }) => ({ questions, vote })) ?? []);
  const take = ({ questions, vote }: LateVote) => void (journal.lateVotes ??= []).push({ questions, vote });
  setHandler(lateVoteUpdate, take, {
    validator({ questions, vote: { question, person } }) {
      if (journal.requested === 'stop' || journal.round >= roundsOf(config, journal)) {
        refuse(name, 'has no further round that could use a late vote, so it is not counted');
      }
      const isTwice = journal.lateVotes?.some(
        (late) => late.questions === questions && late.vote.question === question && late.vote.person === person,
      );
      if (isTwice) refuse(name, 'has a late vote of yours on this question already');
    },
  });
}

/**
 * Closes a voting that no round waits for any more, because the round was skipped or has other questions: its blocks store their votes
 * and end.
 */
export async function abandonVoting(journal: Journal): Promise<void> {
  const { openVoting } = journal;
  if (!openVoting) return;
  delete journal.openVoting;
  const { workflowId } = workflowInfo();
  const ids = Array.from({ length: openVoting.blocks }, (_, i) =>
    blockWorkflowId(workflowId, openVoting.questions, i + 1),
  );
  // One that has ended has its votes stored.
  await Promise.all(
    ids.map((id) =>
      getExternalWorkflowHandle(id)
        .signal(closeSignal)
        .catch(() => {}),
    ),
  );
}

/** The late votes that a round uses: those that have come since the last round began, and, if it runs again, those that it used before. */
export function lateVotesFor(journal: Journal, round: number): LateVotes[] {
  const found: LateVotes[] = [];
  for (const late of journal.lateVotes ?? []) {
    // A round that was skipped, or is not finished, has no responses that training could use.
    const of = journal.done.find(({ voted }) => voted?.questions === late.questions)?.voted;
    if (!of) continue;
    late.round ??= round;
    if (late.round !== round) continue;
    const same = found.find(({ of: { questions } }) => questions === late.questions);
    if (same) same.votes.push(late.vote);
    else found.push({ of, votes: [late.vote] });
  }
  return found;
}

/** Everybody with a vote in a finished round of the run, once each. */
export const votersOf = ({ done }: Journal): string[] => [...new Set(done.flatMap(({ voted }) => voted?.voters ?? []))];
