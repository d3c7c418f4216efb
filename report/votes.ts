/** The votes of a round with the texts they are about. */
import { readQuestion, readQuestions } from '../activities/people/questions.ts';
import { readVotes } from '../activities/people/votes.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { ReadableStore } from '../artifacts/store.ts';
import { voteRow, type VoteRow } from '../labelers/people/vote-row.ts';
import type { RoundResult } from '../workflows/status.ts';
import { addresses, isLate, talliesOf } from './tallies.ts';

/**
 * All answers of people that a round used, with those on gold questions, repeats, skips and votes of people who are left out. Late
 * votes on an earlier round's questions are among them.
 * @param place the run, and the round
 * @returns undefined if no people labeled the round
 */
export async function readVoteRows(
  store: ReadableStore,
  { artifacts: { preferences } }: Pick<RoundResult, 'artifacts'>,
  place: { run: string; round: number },
): Promise<VoteRow[] | undefined> {
  const tallies = await talliesOf(store, preferences);
  // All shards of a round have the same votes.
  const own = tallies.find((tally) => !isLate(tally));
  if (!own) return undefined;
  const rows = await answersOf(store, own.inputs['questions'] as Address, addresses(own.inputs['votes']), place);
  const late = new Map(
    tallies.filter(isLate).map(({ inputs }) => [inputs['late'] as Address, inputs['questions'] as Address]),
  );
  for (const [votes, questions] of late) {
    rows.push(...(await answersOf(store, questions, [votes], { ...place, late: true })));
  }
  return rows;
}

/** The answers of blocks, with the texts of their questions. */
export async function answersOf(
  store: ReadableStore,
  questions: Address,
  blocks: Address[],
  place: Pick<VoteRow, 'run' | 'round' | 'late'> = {},
): Promise<VoteRow[]> {
  const records = new Map((await readQuestions(store, questions)).map((record) => [record.id, record]));
  const rows: VoteRow[] = [];
  for (const block of blocks) {
    const { votes, skips } = await readVotes(store, block);
    for (const answer of [...votes, ...skips]) {
      const texts = await readQuestion(store, questions, answer.question);
      rows.push(voteRow(records.get(answer.question)!, texts, answer, place));
    }
  }
  return rows;
}
