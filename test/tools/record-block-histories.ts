/**
 * `npx tsx test/tools/record-block-histories.ts [SUFFIX]`: records histories of blocks of questions for test/workflows/replay.test.ts, on
 * Temporal's dev server. Histories of earlier versions are kept: use a new suffix when the workflow has new commands.
 */
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { hashValue } from '../../artifacts/hash.ts';
import { findTemporal } from '../../workers/dev-server/temporal-binary.ts';
import { claim, closeVoting, skip, undo, vote } from '../../workers/voting/voting.ts';
import { attachSignal, resumeSignal, suspendSignal } from '../../workflows/people/protocol.ts';
import { CONTROL_QUEUE } from '../../workflows/queues.ts';
import { handleOf, questions, startVoting } from '../people.ts';
import { bundleWorkflows, silenceTemporal } from '../workflows/stand-ins.ts';
import { recordHistory } from './record-history.ts';

const [, , suffix = ''] = process.argv;
silenceTemporal();
const executable = { type: 'existing-path', path: await findTemporal(console.error) } as const;
// A block with more events goes on as a new execution.
const extraArgs = ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=150'];
const environment = await TestWorkflowEnvironment.createLocal({ server: { executable, extraArgs } });
const { client } = environment;

/** Two people vote, skip and undo; the run is paused in the middle; one of them holds a question when the voting closes. */
async function recordBlock() {
  const gold = ['g1', 'g2'];
  const changes = { list: questions(20, 2), gold, goldShare: 0.2, repeatShare: 0.2, leaseSeconds: 2 };
  const voting = await startVoting(client, 'recorded', [changes, {}]);
  const [id, waiting] = voting.blocks;
  const alone = { ...voting, blocks: [id] };
  const block = handleOf(client, id);
  const first = (await block.describe()).runId;
  await block.signal(attachSignal, waiting);
  const answer = async (person: string, count: number) => {
    for (let seconds = 1; seconds <= count; seconds++) {
      const claimed = (await claim(client, alone, person))!;
      await vote(client, id, { person, lease: claimed.lease, choice: 'left', strength: 'much', seconds });
    }
  };
  await answer('ann', 8);
  const { lease } = (await claim(client, alone, 'bob'))!;
  await skip(client, id, { person: 'bob', lease, reason: 'language' });
  await undo(client, alone, 'ann', 'request');
  await block.signal(suspendSignal);
  await block.signal(resumeSignal);
  await answer('ann', 4);
  await answer('bob', 4);
  await claim(client, alone, 'eve');
  await closeVoting(client, alone);
  await block.result();
  await recordHistory(client, `vote-block-continued${suffix}`, id, first);
  await recordHistory(client, `vote-block${suffix}`, id);
  await handleOf(client, waiting).terminate();
}

try {
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: CONTROL_QUEUE,
    workflowBundle: await bundleWorkflows(),
    activities: {
      findVotes: async () => ({}),
      storeVotes: async ({ votes, skips }: { votes: object[]; skips: object[] }) => ({
        address: hashValue(votes),
        summary: { votes: votes.length, skips: skips.length },
      }),
    },
  });
  await worker.runUntil(recordBlock());
} finally {
  await environment.teardown();
}
