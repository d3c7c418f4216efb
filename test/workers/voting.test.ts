/** People who answer the questions of a voting through its client functions, on a real server. */
import { describe, expect, it } from 'vitest';
import { InputError } from '../../data/errors.ts';
import type { VoteRecord } from '../../labelers/people/protocol.ts';
import { VotingClosed } from '../../workers/voting/block-updates.ts';
import { decodePayload } from '../../workers/temporal/payloads.ts';
import { claim, closeVoting, skip, undo, vote, type Voting } from '../../workers/voting/voting.ts';
import { progressOf } from '../../workers/voting/voting-progress.ts';
import { attachSignal, blockStatusQuery, resumeSignal, suspendSignal } from '../../workflows/people/protocol.ts';
import { handleOf, questions, startBlock, startVoting } from '../people.ts';
import { peopleServer, storedBy } from './people-server.ts';

// About 40 answers: blocks with more of them go on as new executions.
const server = peopleServer({ 'limit.historyCount.suggestContinueAsNew': 400 });

/** Answers until no question is left. @returns the confirmed answers */
async function answerAll(
  voting: Voting,
  person: string,
): Promise<Pick<VoteRecord, 'question' | 'person' | 'choice'>[]> {
  const confirmed = [];
  for (let seconds = 1; ; seconds++) {
    const claimed = await claim(server.client, voting, person);
    if (!claimed) return confirmed;
    const { block, lease, question, left } = claimed;
    await vote(server.client, block, { person, lease, choice: 'left', seconds });
    confirmed.push({ question, person, choice: left });
  }
}

const byQuestion = (votes: { question: string }[]) => {
  const counts = new Map<string, number>();
  for (const { question } of votes) counts.set(question, (counts.get(question) ?? 0) + 1);
  return Object.fromEntries(counts);
};

it('every confirmed vote of people at the same time is stored once, and no question gets more than it wants', async () => {
  const lists = [questions(12, 1), questions(6, 3).map(({ id, votes }) => ({ id: `x${id}`, votes: votes! }))];
  const voting = await startVoting(
    server.client,
    'together',
    lists.map((list) => ({ list })),
  );
  const people = ['ann', 'bob', 'eve', 'dan', 'kim'];
  const confirmed = (await Promise.all(people.map((person) => answerAll(voting, person)))).flat();
  const { votes, skips } = await storedBy(server.client, server.store, voting);
  expect(byQuestion(votes)).toEqual(Object.fromEntries(lists.flat().map(({ id, votes: wanted }) => [id, wanted])));
  const key = ({ question, person, choice }: (typeof confirmed)[number]) => `${question} ${person} ${choice}`;
  expect(votes.map(key).sort()).toEqual(confirmed.map(key).sort());
  expect(new Set(votes.map(({ question, person }) => `${question} ${person}`)).size).toBe(votes.length);
  expect(skips).toEqual([]);
  // Each block's votes are in order.
  const first = votes.slice(0, 12);
  expect(first).toEqual(first.toSorted((a, b) => (a.question < b.question ? -1 : 1)));
  expect(await progressOf(server.client, voting)).toMatchObject({ asked: 30, votes: 30, open: 0, leases: 0 });
});

it('a vote that is sent twice counts once, and another answer to the same question is refused', async () => {
  const voting = await startVoting(server.client, 'twice', [{ list: questions(2) }]);
  const { block, lease } = (await claim(server.client, voting, 'ann'))!;
  const request = { person: 'ann', lease, choice: 'tie', seconds: 1 } as const;
  await Promise.all([1, 2, 3].map((seconds) => vote(server.client, block, { ...request, seconds })));
  const other = vote(server.client, block, { ...request, choice: 'left' });
  await expect(other).rejects.toThrow(InputError);
  await expect(other).rejects.toThrow('You have answered this question already: undo the answer to change it.');
  // Whoever has the lease of somebody else learns nothing by repeating the answer.
  await expect(vote(server.client, block, { ...request, person: 'eve' })).rejects.toThrow(
    'This question is not held for you',
  );
  await closeVoting(server.client, voting);
  const { votes } = await storedBy(server.client, server.store, voting);
  expect(votes).toMatchObject([{ question: 'q1', person: 'ann', choice: 'tie' }]);
  // The response to the last vote may get lost while the block ends.
  await vote(server.client, block, request);
  await expect(vote(server.client, block, { ...request, choice: 'left' })).rejects.toThrow(VotingClosed);
});

it('answers are skipped and undone over several blocks', async () => {
  const { client } = server;
  const voting = await startVoting(client, 'undone', [{ list: questions(1) }, { list: [{ id: 'q2', votes: 2 }] }]);
  const first = (await claim(client, voting, 'ann'))!;
  await skip(client, first.block, { person: 'ann', lease: first.lease, reason: 'language' });
  const second = (await claim(client, voting, 'ann'))!;
  expect(second.block).not.toBe(first.block);
  await vote(client, second.block, {
    person: 'ann',
    lease: second.lease,
    choice: 'right',
    strength: 'much',
    seconds: 2,
  });
  expect(await claim(client, voting, 'ann')).toBeUndefined();
  const reopened = await undo(client, voting, 'ann', 'request');
  expect(reopened).toMatchObject({ block: second.block, question: second.question, left: second.left, undo: true });
  expect(await claim(client, voting, 'ann')).toEqual(reopened);
  expect(await progressOf(client, voting)).toMatchObject({ votes: 0, skips: 1, leases: 1 });
  await vote(client, reopened.block, { person: 'ann', lease: reopened.lease, choice: 'both-bad', seconds: 3 });
  // The same request again withdraws nothing further.
  expect(await undo(client, voting, 'ann', 'request')).toEqual(reopened);
  await expect(undo(client, voting, 'bob', 'request')).rejects.toThrow('There is no answer of yours to undo.');
  const { byPerson, perHour } = await progressOf(client, voting);
  expect(byPerson).toMatchObject({ ann: { votes: 1, skips: 1 } });
  expect(perHour).toBeGreaterThan(0);
  await closeVoting(client, voting);
  const { votes, skips } = await storedBy(client, server.store, voting);
  expect(votes).toEqual([
    { question: second.question, person: 'ann', choice: 'both-bad', left: second.left, seconds: 3, at: votes[0].at },
  ]);
  expect(skips).toEqual([{ question: first.question, person: 'ann', skip: 'language', at: skips[0].at }]);
});

it('votes that nobody can give who has voted are told, without a forecast, and skips that use up votes bring the end nearer', async () => {
  const { client } = server;
  const voting = await startVoting(client, 'overlap', [{ list: [{ id: 'q1', votes: 3 }] }, { list: questions(1, 3) }]);
  expect(await progressOf(client, voting)).toMatchObject({ open: 6, fromOthers: 0 });
  const answered = await answerAll(voting, 'ann');
  expect(answered).toHaveLength(2);
  const first = (await claim(client, voting, 'bob'))!;
  await skip(client, first.block, { person: 'bob', lease: first.lease, reason: 'unclear' });
  expect(await answerAll(voting, 'bob')).toHaveLength(1);
  const waiting = await progressOf(client, voting);
  expect(waiting).toMatchObject({ asked: 6, votes: 3, open: 2, fromOthers: 2 });
  expect(waiting.expectedEnd).toBeUndefined();

  const { block, lease } = (await claim(client, voting, 'eve'))!;
  await vote(client, block, { person: 'eve', lease, choice: 'tie', seconds: 1 });
  const before = Date.now();
  const { open, fromOthers, perHour, expectedEnd } = await progressOf(client, voting);
  expect([open, fromOthers]).toEqual([1, 0]);
  const hours = (Date.parse(expectedEnd!) - before) / 3_600_000;
  // Asked are 6, and 4 votes are in, but only one is to come.
  expect(hours * perHour).toBeGreaterThan(0.9);
  expect(hours * perHour).toBeLessThan(1.9);
  await closeVoting(client, voting);
});

it('a question whose lease has expired goes to somebody else, and its late vote is refused in one sentence', async () => {
  const { client } = server;
  const voting = await startVoting(client, 'expired', [{ list: questions(1), leaseSeconds: 1 }]);
  const { block, lease } = (await claim(client, voting, 'ann'))!;
  await expect.poll(async () => (await claim(client, voting, 'bob'))?.question).toBe('q1');
  const late = vote(client, block, { person: 'ann', lease, choice: 'left', seconds: 1 });
  await expect(late).rejects.toThrow(/^This question is not held for you any more \(it was for 0 minutes\)/);
  await expect(late).rejects.toThrow(InputError);
  await closeVoting(client, voting);
  await handleOf(client, block).result();
});

describe('a voting closes', () => {
  it('after the questions that people hold', async () => {
    const { client, store } = server;
    const voting = await startVoting(client, 'closing', [{ list: questions(3) }]);
    const { block, lease } = (await claim(client, voting, 'ann'))!;
    await closeVoting(client, voting);
    await expect.poll(async () => (await handleOf(client, block).query(blockStatusQuery)).closing).toBe(true);
    expect(await claim(client, voting, 'bob')).toBeUndefined();
    expect((await handleOf(client, block).describe()).status.name).toBe('RUNNING');
    await vote(client, block, { person: 'ann', lease, choice: 'tie', seconds: 1 });
    expect((await storedBy(client, store, voting)).votes).toHaveLength(1);
    await expect(vote(client, block, { person: 'bob', lease, choice: 'tie', seconds: 1 })).rejects.toThrow(
      VotingClosed,
    );
    await expect(undo(client, voting, 'ann', 'late')).rejects.toThrow(VotingClosed);
    const unknown = vote(client, `${block}0`, { person: 'bob', lease, choice: 'tie', seconds: 1 });
    await expect(unknown).rejects.toThrow('There is no such question.');
  });

  it('by the clock of the workflow, where somebody holds a question and does not answer it', async () => {
    const { client, store } = server;
    const voting = await startVoting(client, 'leases', [{ leaseSeconds: 1 }]);
    const { block, lease } = (await claim(client, voting, 'ann'))!;
    await closeVoting(client, voting);
    expect((await storedBy(client, store, voting)).votes).toEqual([]);
    // There is no run that would take the late vote.
    await expect(vote(client, block, { person: 'ann', lease, choice: 'tie', seconds: 1 })).rejects.toThrow(
      VotingClosed,
    );
  });

  it('once: a block that is started again returns what is stored', async () => {
    const { client } = server;
    const voting = await startVoting(client, 'again', [{ list: questions(2) }]);
    await answerAll(voting, 'ann');
    const result = await handleOf(client, voting.blocks[0]).result();
    expect(result).toMatchObject({ block: 1, counts: { votes: 2, skips: 0 } });
    const again = await startBlock(client, voting, 1, { list: questions(2) });
    expect(await again.result()).toEqual(result);
    expect(await claim(client, voting, 'bob')).toBeUndefined();
  });

  it('and tells the workflow that waits for it', async () => {
    const { client } = server;
    const [voting, waiting] = [await startVoting(client, 'told', [{}]), await startVoting(client, 'waiting', [{}])];
    await handleOf(client, voting.blocks[0]).signal(attachSignal, waiting.blocks[0]);
    await answerAll(voting, 'ann');
    const result = await handleOf(client, voting.blocks[0]).result();
    const { events } = await handleOf(client, waiting.blocks[0]).fetchHistory();
    const signals = events!.flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => signal ?? []);
    const told = async (name: string) => {
      const payloads = signals.flatMap(({ signalName, input }) => (signalName === name ? input!.payloads! : []));
      return Promise.all(payloads.map((payload) => decodePayload(client, payload)));
    };
    expect(await told('blockClosed')).toEqual([result]);
    const { questions: address } = voting;
    const none = { questions: address, block: 1, votes: 0, skips: 0, usedUp: 0, byPerson: {} };
    const { votes } = await storedBy(client, server.store, voting);
    const first = Math.min(...votes.map(({ at }) => Math.floor(Date.parse(at) / 1000)));
    expect(await told('blockProgress')).toEqual(
      expect.arrayContaining([none, { ...none, votes: 10, first, byPerson: { ann: 10 } }]),
    );
    await closeVoting(client, waiting);
  });
});

it('a paused voting gives no questions, and takes the answers to those that people hold', async () => {
  const { client } = server;
  const voting = await startVoting(client, 'paused', [{ list: questions(3) }]);
  const held = (await claim(client, voting, 'ann'))!;
  const block = handleOf(client, held.block);
  await block.signal(suspendSignal);
  await expect(claim(client, voting, 'bob')).rejects.toThrow('The run is paused: no questions are given');
  expect(await claim(client, voting, 'ann')).toEqual(held);
  await vote(client, held.block, { person: 'ann', lease: held.lease, choice: 'left', seconds: 1 });
  await block.signal(resumeSignal);
  expect((await claim(client, voting, 'bob'))?.question).toBe('q2');
  await answerAll(voting, 'bob');
  await answerAll(voting, 'ann');
  expect((await storedBy(client, server.store, voting)).votes).toHaveLength(3);
});

it('a block with many updates goes on as new executions, and loses no vote', async () => {
  const { client } = server;
  const voting = await startVoting(client, 'long', [{ list: questions(40, 3) }]);
  const [id] = voting.blocks;
  const first = (await handleOf(client, id).describe()).runId;
  const early = (await claim(client, voting, 'ann'))!;
  const request = { person: 'ann', lease: early.lease, choice: 'left', seconds: 1 } as const;
  await vote(client, id, request);
  const people = ['ann', 'bob', 'eve', 'dan'];
  const confirmed = (await Promise.all(people.map((person) => answerAll(voting, person)))).flat();
  expect(confirmed).toHaveLength(119);
  // The new execution does not know the ids of earlier updates, but their answers.
  await vote(client, id, request);
  const { votes } = await storedBy(client, server.store, voting);
  expect(byQuestion(votes)).toEqual(Object.fromEntries(questions(40).map((question) => [question.id, 3])));
  expect((await handleOf(client, id).describe()).runId).not.toBe(first);
});
