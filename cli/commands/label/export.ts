import type { Client } from '@temporalio/client';
import { Command } from 'commander';
import { counted } from '../../../data/counted.ts';
import { PREFERENCES } from '../../../activities/prefer.ts';
import type { ReadableStore } from '../../../artifacts/store.ts';
import { InputError } from '../../../data/errors.ts';
import { exactJson } from '../../../data/exact-json.ts';
import { writeJsonl } from '../../../data/jsonl.ts';
import { readVoteRows } from '../../../report/votes.ts';
import type { VoteRow } from '../../../labelers/people/vote-row.ts';
import { readRecord } from '../../../workers/runs/history.ts';
import { openStore } from '../../../workers/store.ts';
import type { RoundResult } from '../../../workflows/status.ts';
import { checkOutputs } from '../../output-files.ts';
import { readRound } from '../../round-argument.ts';
import { withRuns } from '../../server.ts';
import { jsonOption } from '../../step.ts';

interface Flags {
  round?: number;
  votes?: string;
  preferences?: string;
  json?: boolean;
}

/** `selm label export`: write the votes and preferences of a run as files. */
export function labelExportCommand(): Command {
  return new Command('export')
    .description('Write what people answered in a run, and the preferences that its rounds trained on, as JSON Lines.')
    .argument('<name>', 'Name of the run.')
    .option('--round <n>', 'The round. Default: all rounds that people have labeled.', readRound)
    .option('--votes <file>', 'File for all votes and skips, with the texts, the person, the time and the order shown.')
    .option('--preferences <file>', "File for the preferences of these rounds, in TRL's format.")
    .addOption(jsonOption())
    .action(async (name: string, { round, votes, preferences, json }: Flags) => {
      if (votes === undefined && preferences === undefined)
        throw new InputError('There is nothing to write: give --votes, --preferences or both.');
      checkOutputs({ '--votes': votes, '--preferences': preferences });
      const store = await openStore();
      const rounds = await withRuns((client) => labeledRounds(client, store, name, round));
      const rows = rounds.flatMap(({ answers }) => answers);
      if (votes !== undefined) await writeJsonl(votes, rows);
      const counts = { rounds: rounds.length, votes: rows.filter((row) => 'choice' in row).length };
      const skips = rows.length - counts.votes;
      let written = 0;
      if (preferences !== undefined) {
        await writeJsonl(
          preferences,
          (async function* () {
            for (const { result } of rounds) {
              const made = await preferencesOf(store, result);
              written += made.length;
              yield* made;
            }
          })(),
        );
      }
      if (json) {
        const made = preferences !== undefined && { preferences: written };
        return console.log(JSON.stringify({ run: name, ...counts, skips, ...made }));
      }
      if (votes !== undefined) console.log(`${votes}: ${counted(counts.votes, 'vote')}, ${counted(skips, 'skip')}.`);
      if (preferences !== undefined) console.log(`${preferences}: ${counted(written, 'preference')}.`);
    });
}

async function preferencesOf(store: ReadableStore, { artifacts: { preferences } }: RoundResult) {
  const text = await store.readText(preferences, PREFERENCES);
  // As they are: with the order of their fields.
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => exactJson(line) as object);
}

interface LabeledRound {
  result: RoundResult;
  answers: VoteRow[];
}

/** @throws InputError when people have labeled no such round */
async function labeledRounds(
  client: Client,
  store: ReadableStore,
  run: string,
  round: number | undefined,
): Promise<LabeledRound[]> {
  const { results } = (await readRecord(client, run)).status;
  const rounds: LabeledRound[] = [];
  for (const result of results) {
    if (round !== undefined && result.round !== round) continue;
    const answers = await readVoteRows(store, result, { run, round: result.round });
    if (answers) rounds.push({ result, answers });
  }
  if (rounds.length > 0) return rounds;
  throw new InputError(
    round === undefined
      ? `"${run}" has no round yet that people have labeled and that has ended.`
      : `Round ${round} of "${run}" has not ended, or people did not label it.`,
  );
}
