/** The messages of blocks and of rounds that people vote in: ids and numbers only. Texts are in the artifact `questions`. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { VoteBlockResult } from '../../activities/people/store-votes.ts';
import type { Address } from '../../artifacts/manifest.ts';
import type { Choice, Question, SkipReason, Strength } from '../../labelers/people/protocol.ts';

/** The input of a block: at most QUESTIONS_PER_BLOCK questions of a round, which one workflow holds. */
export interface BlockInput {
  /** The artifact with the questions' texts. */
  questions: Address;
  /** The block of the round, counted from 1. */
  block: number;
  seed: number;
  /** The questions without gold, in the order in which they are asked. */
  list: Question[];
  /** The ids of gold questions, which everybody may be asked once in this block. They are not labels. */
  gold: string[];
  /** Shares of the questions shown to a person: gold questions, and repeats of earlier questions in mirrored order. */
  goldShare: number;
  repeatShare: number;
  /** How long a question is held for a person. */
  leaseSeconds: number;
}

/** A question that is held for a person. */
export interface BlockClaim {
  question: string;
  /** Names this claim. A vote or a skip gives it back. Unique within the block. */
  lease: string;
  /** The response to show on the left: 0 is the first of the question's `candidates`. */
  left: 0 | 1;
  /** When the question is free for others again: ISO 8601. */
  expires: string;
  /** The person answered it before and has undone that. */
  undo?: true;
}

interface Answer {
  person: string;
  lease: string;
}

export interface VoteRequest extends Answer {
  choice: Choice;
  /** Only with `left` and `right`. */
  strength?: Strength;
  /** From the first time the question was shown to the person until the vote. */
  seconds: number;
}

export interface SkipRequest extends Answer {
  reason: SkipReason;
}

export interface UndoRequest {
  person: string;
  /** Names the request: the same request again undoes nothing further. */
  request: string;
}

export const claimUpdate = defineUpdate<BlockClaim, [{ person: string }]>('claim');
export const voteUpdate = defineUpdate<void, [VoteRequest]>('vote');
export const skipUpdate = defineUpdate<void, [SkipRequest]>('skip');
/** Reopens the person's last answer in this block, a vote or a skip. The answer is withdrawn. */
export const undoUpdate = defineUpdate<BlockClaim, [UndoRequest]>('undo');

/** Types of refused updates, as ApplicationFailure has them. The block gives and takes nothing any more. */
export const VOTING_CLOSED = 'VotingClosed';
/** No question of this block is left for the person. */
export const NO_QUESTION = 'NoQuestion';
/** The block does not know yet whether its votes are stored already. */
export const NOT_READY = 'NotReady';

/** A question that a person held when its block closed, and did not answer while it was held. */
export interface HeldAtClosing extends Pick<BlockClaim, 'question' | 'left'> {
  questions: Address;
}

/** What a person has answered in a block. */
export interface PersonStatus {
  /** Without gold questions and repeats. */
  votes: number;
  /** Further votes, on gold questions and repeats. */
  further: number;
  skips: number;
  /** When the last of them was given: ISO 8601. */
  last: string;
}

export interface BlockStatus {
  /** The votes that the block asks for. */
  asked: number;
  /** The votes on its questions, without gold and repeats. */
  votes: number;
  skips: number;
  /** The votes that are still wanted. A skip for a reason about the question itself uses up one of its votes. */
  open: number;
  /** The questions with such votes: how many, and how many people have answered or skipped the question, who are not asked again. */
  wanted: { votes: number; answeredBy: number }[];
  byPerson: Record<string, PersonStatus>;
  /** The votes on each question, without gold and repeats. */
  byQuestion: Record<string, number>;
  /** When each of `votes` was given, in seconds since 1970. */
  times: number[];
  /** Questions that are held for people now. */
  leases: number;
  suspended: boolean;
  /** No question is given any more. Those that are held can be answered until their votes are stored. */
  closing: boolean;
  /** The artifact, once the votes are stored. */
  stored?: Address;
}

export const blockStatusQuery = defineQuery<BlockStatus>('blockStatus');
/**
 * Query: the question that a person held when the block began to close, and did not answer while it was held. Null for any other
 * lease, and for gold questions and repeats.
 */
export const heldAtClosingQuery = defineQuery<HeldAtClosing | null, [Answer]>('heldAtClosing');
/** Query: whether the answer to this lease is in, of this person. For a client that has lost the response to its update. */
export const isAnsweredQuery = defineQuery<boolean, [VoteRequest | SkipRequest]>('isAnswered');

/** Signal: a workflow to tell how many votes are in and when the block has closed, besides the block's parent. @param workflowId its id */
export const attachSignal = defineSignal<[string]>('attach');
/** Signal: give no further questions until `resume`. Answers to those that are held are taken. */
export const suspendSignal = defineSignal('suspend');
export const resumeSignal = defineSignal('resume');
/** Signal: go on with the votes that are in. */
export const closeSignal = defineSignal('close');

/** Signal from a block to its round: its votes are stored. It may arrive more than once. */
export const blockClosedSignal = defineSignal<[VoteBlockResult]>('blockClosed');

/** The voting of a round. */
export interface RoundVoting {
  round: number;
  questions: Address;
  /** The workflow ids of its blocks. */
  blocks: string[];
  deadline?: string;
}

/** Query of a round: its voting. Null while it has none. */
export const votingQuery = defineQuery<RoundVoting | null>('voting');
