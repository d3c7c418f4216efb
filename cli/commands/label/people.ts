import type { Client } from '@temporalio/client';
import { Command } from 'commander';
import type { ReadableStore } from '../../../artifacts/store.ts';
import { InputError } from '../../../data/errors.ts';
import { qualityWarnings } from '../../../evaluation/people/warnings.ts';
import {
  agreementNotes,
  PEOPLE_HEAD,
  PEOPLE_LEGEND,
  peopleRows,
  readPeople,
  readQuality,
  votersOf,
  type RoundPeople,
} from '../../../report/people.ts';
import { countsOf, peopleMissing } from '../../../report/voting.ts';
import { NoRun } from '../../../workers/temporal/errors.ts';
import { readRecord } from '../../../workers/runs/history.ts';
import { lastVoting } from '../../../workers/voting/last-voting.ts';
import { configsOf } from '../../../workers/runs/run-config.ts';
import { findRun } from '../../../workers/runs/runs.ts';
import { openStore } from '../../../workers/store.ts';
import { progressOf, type VotingProgress } from '../../../workers/voting/voting-progress.ts';
import type { RoundResult, RunStatus } from '../../../workflows/status.ts';
import { readRound } from '../../round-argument.ts';
import { withRuns } from '../../server.ts';
import { jsonOption } from '../../step.ts';
import { terminalTable } from '../../table.ts';

/** `selm label people`: show how people answer in a round. */
export function labelPeopleCommand(): Command {
  return new Command('people')
    .description(
      'Show the people who label a round of a run: votes, agreement, gold questions, warnings. While not all votes are in: counts.',
    )
    .argument('<name>', 'Name of the run, or of the voting that selm label --by people prints.')
    .option('--round <n>', 'The round. Default: the last one that people have labeled, or are asked in.', readRound)
    .addOption(jsonOption())
    .action(async (name: string, { round, json }: { round?: number; json?: boolean }) => {
      const store = await openStore();
      const found = await withRuns((client) => find(client, store, name, round));
      if (json) return console.log(JSON.stringify(summaryOf(name, found)));
      console.log(found.people ? describe(name, found.round, found.people) : describeWaiting(name, found));
    });
}

/** What people answered in a round, or the votes that are in while not all are stored. */
type Found =
  | { round: number; people: RoundPeople; progress?: undefined }
  | { round: number; people?: undefined; progress: VotingProgress };

/** @throws InputError when people label no such round */
async function find(client: Client, store: ReadableStore, name: string, round?: number): Promise<Found> {
  const record = await readRecord(client, name).catch((error: unknown) => {
    if (error instanceof NoRun) return undefined;
    throw error;
  });
  if (!record) return findFile(client, store, name, round);
  const { status } = record;
  const current = status.results.some((result) => result.round === status.round) ? undefined : status.round;
  if (current !== undefined && (round === undefined || round === current)) {
    const found = await findCurrent(client, store, status, current);
    if (found) return found;
  }
  return (await lastLabeled(store, status.results, round)) ?? refuse(name, round, status);
}

/** The votes on the responses of a file. @throws NoRun when there is no such voting either */
async function findFile(client: Client, store: ReadableStore, name: string, round = 1): Promise<Found> {
  const voting = await lastVoting(client, name);
  if (voting?.round !== round) throw new NoRun(name);
  if (!voting.stored) return { round, progress: await progressOf(client, voting) };
  return { round, people: { ...(await readQuality(store, { ...voting.stored, leaveOut: [] })), lateVotes: 0 } };
}

/** The votes of the round in progress, also while the run is parked. */
async function findCurrent(
  client: Client,
  store: ReadableStore,
  { name, results }: RunStatus,
  round: number,
): Promise<Found | undefined> {
  const voting = await lastVoting(client, name);
  if (voting?.round !== round) return undefined;
  if (!voting.stored) return { round, progress: await progressOf(client, voting) };
  const { label } = (await configsOf(client, await findRun(client, name))).inForce;
  const leaveOut = label.by === 'people' ? label.leaveOut : [];
  const earlierVoters = leaveOut.length > 0 ? await votersOf(store, results) : [];
  const quality = await readQuality(store, { ...voting.stored, leaveOut, earlierVoters });
  return { round, people: { ...quality, lateVotes: 0 } };
}

/** The last one of these rounds that people have labeled. @param round only this one */
async function lastLabeled(store: ReadableStore, results: RoundResult[], round?: number): Promise<Found | undefined> {
  for (const [i, result] of [...results.entries()].toReversed()) {
    if (round !== undefined && result.round !== round) continue;
    const people = await readPeople(store, result, results.slice(0, i));
    if (people) return { round: result.round, people };
  }
  return undefined;
}

function refuse(name: string, round: number | undefined, { results }: RunStatus): never {
  if (round === undefined) throw new InputError(`People have labeled no round of "${name}" yet.`);
  if (results.some((result) => result.round === round))
    throw new InputError(`Round ${round} of "${name}" was not labeled by people.`);
  throw new InputError(`Round ${round} of "${name}" has no votes yet.`);
}

function summaryOf(run: string, { round, people, progress }: Found): object {
  return people ? { run, round, ...people, warnings: qualityWarnings(people) } : { run, round, ...progress };
}

function describe(name: string, round: number, people: RoundPeople): string {
  return [
    `${name}, round ${round}:`,
    terminalTable(peopleRows(people), { head: PEOPLE_HEAD }),
    PEOPLE_LEGEND,
    ...agreementNotes(people),
    ...qualityWarnings(people).map((warning) => `Warning: ${warning}`),
  ].join('\n');
}

function describeWaiting(name: string, { round, progress }: { round: number; progress: VotingProgress }): string {
  const { skips, fromOthers, byPerson, perHour, expectedEnd } = progress;
  const rows = Object.entries(byPerson)
    .sort(([a], [b]) => Number(a > b) - Number(a < b))
    .map(([person, { votes, further, skips: skipped, last }]) => [
      person,
      String(votes),
      String(further),
      String(skipped),
      last,
    ]);
  return [
    `${name}, round ${round}: ${countsOf(progress)}, ${skips} skipped, ${Math.round(perHour)} an hour` +
      `${expectedEnd === undefined ? '' : `, expected end ${expectedEnd}`}.`,
    ...(fromOthers > 0 ? [peopleMissing(name, fromOthers)] : []),
    ...(rows.length > 0
      ? [terminalTable(rows, { head: ['person', 'votes', 'gold and repeats', 'skipped', 'last answer'] })]
      : []),
    'How people agree is shown when the round has its votes.',
  ].join('\n');
}
