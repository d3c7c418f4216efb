/** How blocks tell their round, and a round its run, how many votes are in. */
import { defineSignal, getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import type { Address } from '../../artifacts/manifest.ts';
import type { VotingStatus } from '../status.ts';

export interface BlockProgress {
  questions: Address;
  block: number;
  /** The votes on its questions, without gold and repeats. */
  votes: number;
  /** When the first of them was given, in seconds since 1970. Undefined without votes. */
  first?: number;
  skips: number;
  /** The votes that skips have used up. */
  usedUp: number;
  /** How many of `votes` are from whom. */
  byPerson: Record<string, number>;
}

/** Signal from a block to the round that is attached: when it attaches, and after every tenth answer. */
export const blockProgressSignal = defineSignal<[BlockProgress]>('blockProgress');

/** Signal from a round to its run: how far its voting is; nothing once the round does not wait for votes any more. */
export const votingSignal = defineSignal<[VotingStatus?]>('voting');

/**
 * Tells the run how far its round's voting is, at most at every whole percent of the votes.
 * @returns a function to call when the status may have changed
 */
export function tellRun(): (status: VotingStatus | undefined) => void {
  let told: string | undefined;
  return (status) => {
    const { asked = 0, votes = 0, closing, deadline } = status ?? {};
    const state = status && JSON.stringify([Math.floor((100 * votes) / asked), closing, deadline]);
    if (state === told) return;
    told = state;
    const run = getExternalWorkflowHandle(workflowInfo().parent!.workflowId);
    // If the run has been terminated, there is nobody to tell.
    run.signal(votingSignal, status).catch(() => {});
  };
}
