/** Votings about the responses of a file, without a run: the same blocks as a round's, started by a client. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isGrpcServiceError,
  ServiceError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/common';
import { selectQuestions, type AskSummary } from '../../activities/people/ask.ts';
import { storeGivenResponses } from '../../activities/people/given-responses.ts';
import { importGuidance } from '../../activities/people/guidance.ts';
import type { VoteBlockResult } from '../../activities/people/store-votes.ts';
import type { StepContext } from '../../activities/step.ts';
import type { AnsweredRecord } from '../../data/records.ts';
import type { PeopleSettings, RoundLabelSettings } from '../../labelers/index.ts';
import { runWorkflowId } from '../../workflows/ids.ts';
import type { voteBlock } from '../../workflows/people/block.ts';
import { askingOf, guidanceOf } from '../../workflows/people/label.ts';
import { blocksOf } from '../../workflows/people/open-block.ts';
import { CONTROL_QUEUE } from '../../workflows/queues.ts';
import type { Voting } from './voting.ts';

export type FileLabelSettings = RoundLabelSettings & PeopleSettings;

const SEED = 0;
const RETRY_MILLISECONDS = 1000;

/** What people are asked about a file. */
export interface FileQuestions {
  questions: string;
  summary: AskSummary;
}

/** Selects the questions at random. The same rows and settings give the same questions. */
export async function askAboutRows(
  context: StepContext,
  rows: AnsweredRecord[],
  label: FileLabelSettings,
): Promise<FileQuestions> {
  const given = guidanceOf(label);
  const guidance = given && (await importGuidance(context, given, {})).address;
  const responses = await storeGivenResponses(context, { rows }, {});
  const { truncated } = label;
  const { address, summary } = await selectQuestions(
    context,
    { responses: [responses.address], asking: askingOf(label), beta: 1, guidance, truncated, seed: SEED },
    {},
  );
  return { questions: address, summary };
}

/**
 * Starts the blocks of a voting, or attaches to those that run. One that has ended is started again: it finds its votes in the store.
 * @param name of the voting, on the pages and in workflow ids
 * @returns the voting, and a function that waits for the votes of all blocks
 */
export async function openFileVoting(
  client: Client,
  name: string,
  { questions, summary }: FileQuestions,
  label: FileLabelSettings,
): Promise<{ voting: Voting; stored: (stop: AbortSignal) => Promise<VoteBlockResult[]> }> {
  const blocks = blocksOf({ questions, summary, label, seed: SEED }, runWorkflowId(name));
  const handles: WorkflowHandle<typeof voteBlock>[] = [];
  for (const { id, input } of blocks) {
    handles.push(
      await client.workflow.start<typeof voteBlock>('voteBlock', {
        workflowId: id,
        taskQueue: CONTROL_QUEUE,
        args: [input],
        staticSummary: `votes on ${input.list.length} questions, block ${input.block}`,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      }),
    );
  }
  return {
    voting: { run: name, round: 1, questions, blocks: blocks.map(({ id }) => id) },
    stored: (stop) => {
      // A call that is still waiting when its connection is closed would be sent again, and end the process with an error.
      const result = (handle: WorkflowHandle<typeof voteBlock>) => client.withAbortSignal(stop, () => handle.result());
      return Promise.all(handles.map((handle) => patientResult(() => result(handle), stop)));
    },
  };
}

/** Calls the server until it answers, or until `stop`: one that stops is started again. */
export async function patientResult<T>(call: () => Promise<T>, stop: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isServer = error instanceof ServiceError || isGrpcServiceError(error);
      if (stop.aborted || !isServer || error instanceof WorkflowNotFoundError) throw error;
      await sleep(RETRY_MILLISECONDS);
    }
  }
}
