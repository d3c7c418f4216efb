/** Starts the blocks of a round's voting, or attaches to them. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { getExternalWorkflowHandle, ParentClosePolicy, startChild, workflowInfo } from '@temporalio/workflow';
import type { AskSummary } from '../../activities/people/ask.ts';
import type { Address } from '../../artifacts/manifest.ts';
import type { PeopleSettings } from '../../labelers/index.ts';
import { QUESTIONS_PER_BLOCK } from '../../labelers/people/protocol.ts';
import { blockWorkflowId } from '../ids.ts';
import { shardsOf } from '../shards.ts';
import { voteBlock } from './block.ts';
import { attachSignal, resumeSignal, type BlockInput } from './protocol.ts';

/** What a round asks. */
export interface Asked {
  questions: Address;
  summary: AskSummary;
  label: PeopleSettings;
  seed: number;
}

/** A block and its workflow id. */
export interface Block {
  id: string;
  input: BlockInput;
}

/** The number of votes that the questions ask for. */
export const votesOf = ({ questions }: Pick<AskSummary, 'questions'>): number =>
  questions.reduce((sum, { votes = 0 }) => sum + votes, 0);

/**
 * The blocks of a round: consecutive questions, with the gold questions among them.
 * @param runId the workflow id of the run
 */
export function blocksOf({ questions, summary, label, seed }: Asked, runId: string): Block[] {
  const gold = new Set(summary.gold);
  return shardsOf(summary.questions.length, QUESTIONS_PER_BLOCK).map(({ from, to }, i) => {
    const all = summary.questions.slice(from, to);
    const input: BlockInput = {
      questions,
      block: i + 1,
      seed,
      list: all.filter(({ id }) => !gold.has(id)),
      gold: all.flatMap(({ id }) => (gold.has(id) ? [id] : [])),
      goldShare: label.goldShare,
      repeatShare: label.repeatShare,
      leaseSeconds: label.leaseMinutes * 60,
    };
    return { id: blockWorkflowId(runId, questions, i + 1), input };
  });
}

/**
 * Starts a block; attaches to it if it runs already. One that has ended is started again: it finds its votes in the store.
 * It is not ended with the round: people's votes outlive a round that is paused, fails, or is started again.
 */
export async function openBlock({ id, input }: Block): Promise<void> {
  for (;;) {
    try {
      await startChild(voteBlock, {
        workflowId: id,
        args: [input],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: `votes on ${input.list.length} questions, block ${input.block}`,
      });
      return;
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    const running = getExternalWorkflowHandle(id);
    const attached = await running.signal(attachSignal, workflowInfo().workflowId).then(
      () => true,
      () => false,
    );
    // Otherwise it has ended in this moment.
    if (attached) return running.signal(resumeSignal).catch(() => {});
  }
}
