/** The people who labeled a round: reads their votes, and shows them by person. */
import type { Address } from '../artifacts/manifest.ts';
import type { ReadableStore } from '../artifacts/store.ts';
import { readQuestions } from '../activities/people/questions.ts';
import { readVotes } from '../activities/people/votes.ts';
import { LABELS } from '../activities/label.ts';
import { inTurns } from '../data/in-turns.ts';
import { parseJsonl } from '../data/jsonl.ts';
import { labelRecordSchema, type LabelRecord } from '../data/records.ts';
import {
  qualityOf,
  type PersonQuality,
  type Quality,
  type Share,
  type RoundVotes,
} from '../evaluation/people/quality.ts';
import { qualityWarnings } from '../evaluation/people/warnings.ts';
import type { RoundResult } from '../workflows/status.ts';
import { html, type Html } from './html.ts';
import { table } from './layout.ts';
import { addresses, isLate, talliesOf } from './tallies.ts';

/** The quality of a round's votes. */
export interface RoundPeople extends Quality {
  /** Votes on questions of an earlier round that the round used too. They are not in the table. */
  lateVotes: number;
}

type Labeled = Pick<RoundResult, 'artifacts'>;

/**
 * Reads what people answered in a round.
 * @param earlier the earlier rounds of the run: people who have voted there are known
 * @returns undefined if no people labeled the round
 * @throws ArtifactDamaged when an artifact is missing or damaged
 */
export async function readPeople(
  store: ReadableStore,
  { artifacts: { preferences } }: Labeled,
  earlier: Labeled[],
): Promise<RoundPeople | undefined> {
  const tallies = await talliesOf(store, preferences);
  const own = tallies.filter((tally) => !isLate(tally));
  if (own.length === 0) return undefined;
  const [{ inputs, parameters }] = own;
  const { leaveOut } = parameters as { leaveOut: string[] };
  const late = await inTurns([...new Set(tallies.flatMap((tally) => addresses(tally.inputs['late'])))], (block) =>
    readVotes(store, block),
  );
  const lateVotes = late.flatMap(({ votes }) => votes);
  const lateVoters = lateVotes.map(({ person }) => person);
  const others = own.flatMap((tally) => addresses(tally.inputs['otherwise']));
  const otherwise = await inTurns(others, (shard) => readLabels(store, shard));
  const quality = await readQuality(store, {
    questions: inputs['questions'] as Address,
    votes: addresses(inputs['votes']),
    leaveOut,
    earlierVoters: [...lateVoters, ...(leaveOut.length > 0 ? await votersOf(store, earlier) : [])],
    ...(others.length > 0 && { otherwise: otherwise.flat() }),
  });
  return { ...quality, lateVotes: lateVotes.length };
}

/** Everybody with a vote in these rounds. Names may be repeated. */
export async function votersOf(store: ReadableStore, rounds: Labeled[]): Promise<string[]> {
  const tallies = (await inTurns(rounds, ({ artifacts }) => talliesOf(store, artifacts.preferences))).flat();
  const blocks = new Set(tallies.flatMap(({ inputs }) => [inputs['votes'], inputs['late']].flatMap(addresses)));
  const stored = await inTurns([...blocks], (block) => readVotes(store, block));
  return stored.flatMap(({ votes }) => votes.map(({ person }) => person));
}

/** Reads questions and votes. @param asked the artifacts `questions`, and `votes` of each block */
export async function readQuality(
  store: ReadableStore,
  {
    questions,
    votes,
    ...rest
  }: { questions: Address; votes: Address[] } & Omit<RoundVotes, 'questions' | 'votes' | 'skips'>,
): Promise<Quality> {
  const blocks = await inTurns(votes, (block) => readVotes(store, block));
  return qualityOf({
    questions: await readQuestions(store, questions),
    votes: blocks.flatMap((block) => block.votes),
    skips: blocks.flatMap((block) => block.skips),
    ...rest,
  });
}

const readLabels = async (store: ReadableStore, shard: Address): Promise<LabelRecord[]> =>
  parseJsonl(`${LABELS} of ${shard}`, await store.readText(shard, LABELS), labelRecordSchema);

/** The headings of the table of people. */
export const PEOPLE_HEAD = [
  'person',
  'votes',
  'skipped',
  'left',
  'seconds',
  'gold right',
  'same again',
  'as others',
  'as otherwise',
];

/** What the columns of the table mean. */
export const PEOPLE_LEGEND =
  'Votes include gold questions and repeats. Left: votes for the left response, of the votes for a response, with the 95 % interval. ' +
  'Seconds: median of a vote. Gold right: right answers to gold questions. Same again: repeats in the other order with the same answer. ' +
  "As others: other people's votes on the same questions that are the same. As otherwise: the labeler label.otherwise agrees.";

/** The rows of the table of people. */
export const peopleRows = ({ people }: Quality): string[][] =>
  people.map((person) => [
    person.person + (person.leftOut ? ' (left out)' : ''),
    String(person.votes),
    skipped(person.skips),
    left(person.left),
    person.seconds === undefined ? '' : person.seconds.toFixed(1),
    fraction(person.gold),
    fraction(person.repeats),
    fraction(person.others),
    person.otherwise ? fraction(person.otherwise) : '',
  ]);

/** @example skipped({ language: 2, broken: 1 }) // '3 (2 language, 1 broken)' */
function skipped(skips: PersonQuality['skips']): string {
  const counts = Object.entries(skips);
  if (counts.length === 0) return '';
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return `${total} (${counts.map(([reason, count]) => `${count} ${reason}`).join(', ')})`;
}

function left({ count, of, interval }: PersonQuality['left']): string {
  if (!interval) return '';
  const [share, low, high] = [count / of, interval.low, interval.high].map((value) => (100 * value).toFixed(0));
  return `${share} % [${low}, ${high}]`;
}

/** @example fraction({ count: 3, of: 4 }) // '3 of 4' */
const fraction = ({ count, of }: Share) => (of === 0 ? '' : `${count} of ${of}`);

/** Sentences about the round's votes together. */
export function agreementNotes({ alpha, lateVotes }: RoundPeople): string[] {
  return [
    alpha
      ? `Krippendorff's alpha: ${alpha.alpha.toFixed(2)}${intervalOf(alpha.interval)}, from ${alpha.questions} ` +
        `${alpha.questions === 1 ? 'question' : 'questions'} with two or more votes that count. ` +
        '1 is perfect agreement, 0 is agreement by chance.'
      : "Krippendorff's alpha is not defined: no question has two votes that count, or all of them are equal.",
    ...(lateVotes === 1 ? ['1 late vote on a question of an earlier round was used too.'] : []),
    ...(lateVotes > 1 ? [`${lateVotes} late votes on questions of an earlier round were used too.`] : []),
  ];
}

const intervalOf = (interval?: { low: number; high: number }) =>
  interval ? ` [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}]` : '';

/** The section with the people who labeled each round. Empty if people labeled none. */
export function peopleSection(rounds: { round: number; people?: RoundPeople }[]): Html {
  const asked = rounds.filter((round): round is { round: number; people: RoundPeople } => round.people !== undefined);
  if (asked.length === 0) return html``;
  return html`<section>
    <h2>People</h2>
    <p class="note">${PEOPLE_LEGEND}</p>
    ${asked.map(
      ({ round, people }) =>
        html`<h3>Round ${round}</h3>
          ${table(`people-${round}`, PEOPLE_HEAD, peopleRows(people))}
          ${agreementNotes(people).map((note) => html`<p>${note}</p>`)}
          ${qualityWarnings(people).map((warning) => html`<p class="warning">${warning}</p>`)}`,
    )}
  </section>`;
}
