/** `selm label --by people`: people vote about the responses of a file, without a run. */
import { basename, extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { readQuestions } from '../../../activities/people/questions.ts';
import { readVotes } from '../../../activities/people/votes.ts';
import type { ArtifactStore } from '../../../artifacts/store.ts';
import { InputError } from '../../../data/errors.ts';
import { inTurns } from '../../../data/in-turns.ts';
import { writeJsonl } from '../../../data/jsonl.ts';
import { readAnswered } from '../../../data/readers.ts';
import type { AnsweredRecord } from '../../../data/records.ts';
import { findRepeated } from '../../../data/repeated.ts';
import { onStopSignal } from '../../../data/stop-signals.ts';
import { startEngine } from '../../../engine/backends.ts';
import { roundLabelSchema } from '../../../labelers/index.ts';
import { preferencesOfVotes } from '../../../labelers/people/preferences.ts';
import { MAX_VOTES } from '../../../labelers/people/settings.ts';
import { answersOf } from '../../../report/votes.ts';
import { byInvitation } from '../../../web/access/by-invitation.ts';
import { Invitations } from '../../../web/access/invitations.ts';
import { temporalDesk, type VotingDesk } from '../../../web/label/desk.ts';
import { connectClient, connectEmbedded, hasServer } from '../../../workers/temporal/connection.ts';
import {
  askAboutRows,
  openFileVoting,
  patientResult,
  type FileLabelSettings,
} from '../../../workers/voting/file-voting.ts';
import { startLocal, type Local } from '../../../workers/local.ts';
import { cacheFolder } from '../../../workers/places.ts';
import { openStore } from '../../../workers/store.ts';
import { progressOf } from '../../../workers/voting/voting-progress.ts';
import { closeVoting, type Voting } from '../../../workers/voting/voting.ts';
import { INTERRUPTED } from '../../errors.ts';
import { publicUrl } from '../../join-link.ts';
import { describePreferences } from './summary.ts';
import { labelOf, type LabelerFlags } from '../../labeling.ts';
import { hostsOf, listen, listenFlags } from '../../listen.ts';
import { summarize } from '../../step.ts';

const addressFlags = listenFlags(8080, 'Only with --by people. People need an invitation (selm label invite).');

export interface PeopleFlags extends LabelerFlags {
  votes?: string;
  url?: URL;
  close?: true;
}

interface Files {
  in: string;
  out: string;
}

/** Adds the flags that only people need. */
export function addPeopleFlags(command: Command): Command {
  command
    .option('--votes <file>', 'With --by people: file for all votes and skips, with the texts.')
    .option('--close', 'With --by people: go on with the votes that are in.')
    .addOption(
      new Option(
        '--url <address>',
        'With --by people: address at which browsers reach the pages through a proxy.',
      ).argParser(publicUrl),
    );
  return addressFlags.addTo(command);
}

/** @throws InputError when a flag is given that only people need */
export function refusePeopleFlags(flags: PeopleFlags): void {
  const [given] = [
    ...(['votes', 'close', 'url'] as const).filter((name) => flags[name] !== undefined).map((name) => `--${name}`),
    ...addressFlags.given(flags).map(({ flag }) => flag),
  ];
  if (given !== undefined) throw new InputError(`${given} needs --by people: other labelers serve no pages.`);
}

/** @returns the settings if people label, else undefined */
export function peopleOf(flags: PeopleFlags): ((rows: AnsweredRecord[]) => FileLabelSettings) | undefined {
  if (flags.labelConfig === undefined)
    return flags.by === 'people' ? (rows) => checked(defaultsFor(rows.length)) : undefined;
  const settings = labelOf(flags);
  return settings.by === 'people' ? () => checked(settings) : undefined;
}

/** One vote on every prompt, so that a person alone can give them all. */
function defaultsFor(prompts: number): FileLabelSettings {
  if (prompts > MAX_VOTES)
    throw new InputError(`${prompts} prompts are too many: give votes, at most ${MAX_VOTES}, by --label-config.`);
  return roundLabelSchema.parse({ by: 'people', votes: prompts, overlap: 0 }) as FileLabelSettings;
}

/** @throws InputError for settings that only a run can use */
function checked(settings: FileLabelSettings): FileLabelSettings {
  const { strategy, otherwise, atDeadline } = settings;
  if (strategy !== 'random')
    throw new InputError(`strategy: ${strategy} needs a run, whose policy it uses; set strategy: random.`);
  if (otherwise) throw new InputError('otherwise needs a run; label the other prompts by a further selm label.');
  if (atDeadline === 'park')
    throw new InputError('atDeadline: park needs a run; leave it out, or leave out the deadline.');
  return settings;
}

const HOUR_MILLISECONDS = 3_600_000;
/** A timer takes at most 25 days. */
const LONGEST_TIMER = 24 * HOUR_MILLISECONDS;

const say = (message: string) => console.error(message);

/** Serves the pages until all votes are in, then writes the preferences. Ctrl-C stops it: the same command goes on with its votes. */
export async function labelByPeople(
  flags: PeopleFlags,
  { in: source, out }: Files,
  settingsFor: (rows: AnsweredRecord[]) => FileLabelSettings,
): Promise<void> {
  const rows = await readAnswered(source);
  checkIds(source, rows);
  const settings = settingsFor(rows);
  const stop = new AbortController();
  let isStopped = false;
  const ignoreSignals = onStopSignal(() => {
    isStopped = true;
    stop.abort();
  });
  let local: Local | undefined;
  let client: Awaited<ReturnType<typeof connectClient>> | undefined;
  let isDone = false;
  try {
    const store = await openStore({ writes: true });
    const engine = startEngine();
    const asked = await askAboutRows({ store, engine, cacheFolder: cacheFolder() }, rows, settings).finally(() =>
      engine.close(),
    );
    local = await startLocal(say, [['control']]);
    const connected = await (hasServer() ? connectClient : connectEmbedded)();
    client = connected;
    const name = nameOf(source);
    const { voting, stored } = await openFileVoting(connected, name, asked, settings);
    if (flags.close) await closeVoting(connected, voting);
    const atDeadline = closeAtDeadline(settings, () => closeVoting(connected, voting), stop.signal);
    atDeadline.catch(() => stop.abort());
    const votes = stored(stop.signal);
    void votes.then(
      () => stop.abort(),
      () => stop.abort(),
    );
    const progress = await progressOf(connected, voting).catch(() => undefined);
    const desk: VotingDesk = {
      ...temporalDesk(connected),
      open: async () => [voting],
      of: async (run) => (run === voting.run ? voting : undefined),
    };
    await serve(desk, { store, client: connected, flags, stop: stop.signal }, (address) => {
      const counts = progress ? ` ${progress.votes} of ${progress.asked} votes are in.` : '';
      say(`${name}:${counts} People vote at ${address}/label after they have opened an invitation:`);
      say(`  selm label invite NAME --url ${address}`);
    });
    await atDeadline;
    // Stopped, it has the votes only if they were there in this moment.
    const blocks = await (isStopped ? votes.catch(() => undefined) : votes);
    if (blocks) {
      isDone = true;
      await write(
        { rows, settings, voting, store, flags, source, out },
        blocks.map((block) => block.votes),
      );
    }
  } finally {
    // Pending calls would keep the process alive.
    stop.abort();
    await client?.connection.close();
    await local?.stop();
    ignoreSignals();
  }
  if (isDone) return;
  say('Stopped. The votes are kept: the same command goes on with them.');
  // Pending calls to the server would keep the process alive.
  process.exit(INTERRUPTED);
}

/** The time of a deadline begins when the command begins to wait, as that of a round. */
async function closeAtDeadline(
  { deadline: hours }: FileLabelSettings,
  close: () => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  if (hours === undefined) return;
  const end = Date.now() + hours * HOUR_MILLISECONDS;
  try {
    for (let left = end - Date.now(); left > 0; left = end - Date.now())
      await sleep(Math.min(left, LONGEST_TIMER), undefined, { signal: stop });
    await patientResult(close, stop);
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}

/** The name of a file's voting, on the pages and in workflow ids. Runs rarely have such names. */
const nameOf = (source: string): string => `file-${basename(source, extname(source)).replaceAll(/[^\w.-]+/g, '-')}`;

function checkIds(source: string, rows: AnsweredRecord[]): void {
  const repeated = findRepeated(rows.map(({ id }) => id));
  if (!repeated) return;
  throw new InputError(`${source} has two rows with the id "${repeated.key}"; give each prompt its own "id".`);
}

interface Serving {
  store: ArtifactStore;
  client: Awaited<ReturnType<typeof connectClient>>;
  flags: PeopleFlags;
  stop: AbortSignal;
}

/** Serves the voting pages until `stop`. Only people with an invitation see them. */
async function serve(desk: VotingDesk, { store, client, flags, stop }: Serving, listening: (address: string) => void) {
  const at = addressFlags.read(flags);
  const { url } = flags;
  const access = byInvitation(new Invitations(), {
    others: { roles: [] },
    secure: url?.protocol === 'https:',
    home: () => '/label',
  });
  // Loaded here, because the pages' charts take longer to load than all else of selm label.
  const { webApp } = await import('../../../web/app.ts');
  const app = webApp(client, store, { hosts: hostsOf(at.host), url, access, label: desk });
  return listen(app, at, (address) => listening(url?.origin ?? address), stop);
}

interface Result extends Files {
  rows: AnsweredRecord[];
  settings: FileLabelSettings;
  voting: Voting;
  store: ArtifactStore;
  flags: PeopleFlags & { json?: boolean };
}

async function write(
  { rows, settings, voting: { run, questions }, store, flags, out }: Omit<Result, 'in'> & { source: string },
  blocks: string[],
): Promise<void> {
  const votes = (await inTurns(blocks, (block) => readVotes(store, block))).flatMap((block) => block.votes);
  const records = await readQuestions(store, questions);
  const { preferences, stats } = preferencesOfVotes(rows, records, votes, settings);
  await writeJsonl(out, preferences);
  if (flags.votes !== undefined) await writeJsonl(flags.votes, await answersOf(store, questions, blocks));
  summarize(flags, { ...stats, out }, describePreferences(out, stats));
  say(`How people agree: selm label people ${run}`);
}
