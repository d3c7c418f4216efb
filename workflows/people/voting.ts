/** The voting of a round: waits until the votes of all its blocks are stored, and says how many votes are in. */
import {
  ApplicationFailure,
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { VoteBlockResult } from '../../activities/people/store-votes.ts';
import type { Address } from '../../artifacts/manifest.ts';
import { VOTES_MISSING } from '../failure.ts';
import { Halted } from '../spending.ts';
import type { VotingStatus } from '../status.ts';
import { blocksOf, openBlock, votesOf, type Asked, type Block } from './open-block.ts';
import { blockProgressSignal, type BlockProgress } from './progress.ts';
import { blockClosedSignal, closeSignal, suspendSignal, votingQuery, type RoundVoting } from './protocol.ts';

/** Signal from a run to its round: go on with the votes that are in. */
export const closeVotingSignal = defineSignal('closeVoting');

interface Options {
  /** Whether the round must end. */
  isHalting: () => boolean;
  /** Whether an operator has decided already to go on with the votes that are in. */
  close?: boolean;
}

interface Collected {
  /** The artifacts `votes` of all blocks, in order. */
  votes: Address[];
  /** Everybody with a vote, once per block. Absent if a block of an earlier version of selm does not say. */
  voters?: string[];
}

const HOUR_MILLISECONDS = 3_600_000;

/** Registers the query and the signals of a round in which people may vote. @param changed called when its status has changed */
export function takeVoting(round: number, changed: () => void) {
  let voting: VoteCollector | undefined;
  setHandler(votingQuery, () => voting?.described(round) ?? null);
  setHandler(blockProgressSignal, (progress) => {
    voting?.progressed(progress);
    changed();
  });
  setHandler(blockClosedSignal, (result) => voting?.closed(result));
  setHandler(closeVotingSignal, () => voting?.requestClose());

  return {
    status: (): VotingStatus | undefined => voting?.status(round),
    /**
     * Asks people, and waits for their votes: days, if need be, without a machine. Votes survive whatever happens to the round: its
     * blocks go on without it, and a round that runs again attaches to them.
     * @throws Halted when the round must end
     * @throws ApplicationFailure of type VOTES_MISSING at the deadline, with `atDeadline: park`
     */
    async collect(asked: Asked, options: Options): Promise<Collected> {
      voting = new VoteCollector(asked, changed);
      try {
        return await voting.collect(options);
      } finally {
        voting = undefined;
        changed();
      }
    },
  };
}

class VoteCollector {
  private readonly asked: Asked;
  private readonly changed: () => void;
  private readonly blocks: Block[];
  private readonly progress = new Map<number, Pick<BlockProgress, 'votes' | 'usedUp' | 'first' | 'byPerson'>>();
  private readonly stored = new Map<number, VoteBlockResult>();
  private deadline?: string;
  private closing = false;
  private isOpen = false;

  constructor(asked: Asked, changed: () => void) {
    this.asked = asked;
    this.changed = changed;
    this.blocks = blocksOf(asked, workflowInfo().parent!.workflowId);
  }

  /** Null until all its blocks take votes. */
  described(round: number): RoundVoting | null {
    if (!this.isOpen) return null;
    return {
      round,
      questions: this.asked.questions,
      blocks: this.blocks.map(({ id }) => id),
      ...(this.deadline !== undefined && { deadline: this.deadline }),
    };
  }

  status(round: number): VotingStatus {
    const { questions, summary } = this.asked;
    const byPerson: Record<string, number> = {};
    for (const block of this.progress.values()) {
      for (const [person, votes] of Object.entries(block.byPerson)) byPerson[person] = (byPerson[person] ?? 0) + votes;
    }
    const blocks = [...this.progress.values()];
    const first = Math.min(...blocks.map((block) => block.first ?? Infinity));
    return {
      round,
      questions,
      blocks: this.blocks.length,
      asked: votesOf(summary),
      votes: blocks.reduce((sum, block) => sum + block.votes, 0),
      usedUp: blocks.reduce((sum, block) => sum + block.usedUp, 0),
      ...(first < Infinity && { first: new Date(first * 1000).toISOString() }),
      byPerson,
      ...(this.deadline !== undefined && { deadline: this.deadline }),
      ...(this.closing && { closing: true as const }),
    };
  }

  progressed({ questions, block, ...progress }: BlockProgress): void {
    if (questions === this.asked.questions) this.progress.set(block, progress);
  }

  closed(result: VoteBlockResult): void {
    if (result.questions === this.asked.questions) this.stored.set(result.block, result);
  }

  requestClose(): void {
    this.closing = true;
    this.changed();
  }

  async collect({ isHalting, close = false }: Options): Promise<Collected> {
    const { deadline: hours, atDeadline } = this.asked.label;
    const wait = hours === undefined ? undefined : hours * HOUR_MILLISECONDS;
    if (wait !== undefined) this.deadline = new Date(Date.now() + wait).toISOString();
    if (close) this.requestClose();
    for (const block of this.blocks) await openBlock(block);
    this.isOpen = true;
    this.changed();
    const isDone = () => this.stored.size === this.blocks.length;
    const ends = () => isDone() || isHalting() || this.closing;
    const inTime = wait === undefined ? await condition(ends).then(() => true) : await condition(ends, wait);
    if (!inTime && atDeadline === 'park') {
      await this.tell(suspendSignal);
      throw votesMissing(hours!);
    }
    if (!isDone() && !isHalting()) {
      this.requestClose();
      await this.tell(closeSignal);
      await condition(() => isDone() || isHalting());
    }
    if (!isDone()) {
      await this.tell(suspendSignal);
      throw new Halted();
    }
    const results = this.blocks.map(({ input: { block } }) => this.stored.get(block)!);
    return {
      votes: results.map(({ votes }) => votes),
      ...(results.every(({ voters }) => voters) && { voters: results.flatMap(({ voters = [] }) => voters) }),
    };
  }

  /** Signals the blocks whose votes are not stored. */
  private async tell(signal: typeof closeSignal | typeof suspendSignal): Promise<void> {
    const open = this.blocks.filter(({ input: { block } }) => !this.stored.has(block));
    // One that has ended meanwhile has stored its votes.
    await Promise.all(
      open.map(({ id }) =>
        getExternalWorkflowHandle(id)
          .signal(signal.name)
          .catch(() => {}),
      ),
    );
  }
}

const votesMissing = (hours: number) =>
  ApplicationFailure.create({
    type: VOTES_MISSING,
    message: `not all votes were in at the deadline, after ${hours} hours (label.deadline); those that are in are kept`,
    nonRetryable: true,
  });
