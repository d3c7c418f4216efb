/** The progress of a voting: the sum over its blocks, the rate, and the expected end. */
import type { Client } from '@temporalio/client';
import pLimit from 'p-limit';
import { blockStatusQuery, type BlockStatus, type PersonStatus } from '../../workflows/people/protocol.ts';
import { queryBlock } from './block-queries.ts';

export interface VotingProgress {
  /** The votes that are asked for. */
  asked: number;
  /** The votes that are in, without gold questions and repeats. */
  votes: number;
  skips: number;
  /** The votes that are still wanted: some questions are not asked again because people skipped them. */
  open: number;
  /** Those of `open` that only people can give who have not voted yet. 0 before the first answer, and while the voting closes. */
  fromOthers: number;
  /** Questions that are held for people now. */
  leases: number;
  byPerson: Record<string, PersonStatus>;
  /** Votes per hour: in the last hour, or since the first vote if that was later. 0 without votes. */
  perHour: number;
  /** When all votes are in at this rate: ISO 8601. Undefined without votes in the last hour, without open ones, with some from others. */
  expectedEnd?: string;
}

/** Queries at once: each is a task of the control worker. */
const AT_ONCE = 8;

const statusesOf = (client: Client, blocks: string[]): Promise<BlockStatus[]> =>
  pLimit(AT_ONCE).map(blocks, (block) => queryBlock(client, block, blockStatusQuery));

/** @param voting its blocks' workflow ids */
export async function progressOf(client: Client, { blocks }: { blocks: string[] }): Promise<VotingProgress> {
  const statuses = await statusesOf(client, blocks);
  const sum = (count: (status: BlockStatus) => number) => statuses.reduce((total, status) => total + count(status), 0);
  const now = Date.now();
  const open = sum((status) => status.open);
  const people = peopleIn(statuses);
  const fromOthers = people.size === 0 ? 0 : sum((status) => beyond(status, people.size));
  const perHour = rateOf(
    statuses.flatMap(({ times }) => times),
    now,
  );
  return {
    asked: sum(({ asked }) => asked),
    votes: sum(({ votes }) => votes),
    skips: sum(({ skips }) => skips),
    open,
    fromOthers,
    leases: sum(({ leases }) => leases),
    byPerson: Object.fromEntries(people),
    perHour,
    ...(open > 0 &&
      fromOthers === 0 &&
      perHour > 0 && { expectedEnd: new Date(now + (open / perHour) * HOUR).toISOString() }),
  };
}

/** The votes of a block that this many people cannot give, since each of them answers a question once. */
const beyond = ({ wanted, closing }: BlockStatus, people: number): number =>
  closing ? 0 : wanted.reduce((sum, { votes, answeredBy }) => sum + Math.max(0, votes - (people - answeredBy)), 0);

const HOUR = 3600_000;
const MINUTE = 60_000;

/** @param times of votes, in seconds. @param now in milliseconds */
function rateOf(times: number[], now: number): number {
  const first = Math.min(...times) * 1000;
  const span = Math.min(HOUR, Math.max(MINUTE, now - first));
  return times.filter((time) => time * 1000 > now - span - 1000).length * (HOUR / span);
}

function peopleIn(statuses: BlockStatus[]): Map<string, PersonStatus> {
  const people = new Map<string, PersonStatus>();
  for (const { byPerson } of statuses) {
    for (const [person, { votes, further, skips, last }] of Object.entries(byPerson)) {
      const before = people.get(person) ?? { votes: 0, further: 0, skips: 0, last };
      people.set(person, {
        votes: before.votes + votes,
        further: before.further + further,
        skips: before.skips + skips,
        last: before.last > last ? before.last : last,
      });
    }
  }
  return people;
}

/** The block with a person's last answer. @returns undefined if they have answered nothing */
export async function lastBlock(client: Client, blocks: string[], person: string): Promise<string | undefined> {
  const statuses = await statusesOf(client, blocks);
  const answered = blocks
    .map((block, i) => ({ block, last: new Map(Object.entries(statuses[i].byPerson)).get(person)?.last }))
    .filter(({ last }) => last !== undefined);
  return answered.sort((a, b) => (a.last! < b.last! ? 1 : -1))[0]?.block;
}
