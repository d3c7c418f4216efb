import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { counted } from '../../../data/counted.ts';
import { InputError } from '../../../data/errors.ts';
import { readFailure } from '../../../data/file-errors.ts';
import { decodeUtf8, parseJson } from '../../../data/json.ts';
import { jsonlRows, writeJsonl } from '../../../data/jsonl.ts';
import { collect } from '../../../data/collect.ts';
import { makeRow, type Row } from '../../../data/row.ts';
import { importArgilla } from '../../../labelers/people/imports/argilla.ts';
import type { ImportSettings, Unread } from '../../../labelers/people/imports/imported.ts';
import { importLabelStudio } from '../../../labelers/people/imports/label-studio.ts';
import { preferencesOfVotes } from '../../../labelers/people/preferences.ts';
import type { QuestionRecord } from '../../../labelers/people/protocol.ts';
import { notVotedNote } from '../../../labelers/people/votes-note.ts';
import { voteRow } from '../../../labelers/people/vote-row.ts';
import { checkOutputs } from '../../output-files.ts';
import { jsonOption } from '../../step.ts';
import { describePreferences } from './summary.ts';

const FORMATS = { argilla: importArgilla, 'label-studio': importLabelStudio };

interface Flags {
  format: keyof typeof FORMATS;
  out: string;
  votes?: string;
  prompt?: string;
  responses?: string[];
  question?: string[];
  values?: string[];
  aggregation: 'majority' | 'dawid-skene';
  leaveOut?: string[];
  json?: boolean;
}

/** Rows and answers that could not be read are listed up to this number. All are in the output of --json. */
const LISTED = 20;

const list = (text: string) => text.split(',').map((one) => one.trim());

/** `selm label import`: preferences from the exports of other labeling tools. */
export function labelImportCommand(): Command {
  return new Command('import')
    .description('Make preferences of votes from Argilla or Label Studio.')
    .argument('<file>', 'Records of Argilla (JSON or JSON Lines), or a JSON export of Label Studio.')
    .addOption(
      new Option('--format <tool>', 'What wrote the file.').choices(Object.keys(FORMATS)).makeOptionMandatory(),
    )
    .requiredOption('--out <file>', "File for the preferences, in TRL's format.")
    .option('--votes <file>', 'File for all votes and skips, with the texts, as selm label export writes them.')
    .option('--prompt <field>', 'Field with the prompt. Default: by its name.')
    .option('--responses <fields>', 'Fields with the two responses: FIRST,SECOND. Default: by their names.', list)
    .option('--question <names>', 'Question to import; two names are ratings of the first and second response.', list)
    .option(
      '--values <answers>',
      'Answers for the first response, the second, a tie and both bad: FIRST,SECOND,TIE,BOTH-BAD.',
      list,
    )
    .addOption(
      new Option('--aggregation <method>', 'How the votes on a question become one answer.')
        .choices(['majority', 'dawid-skene'])
        .default('majority'),
    )
    .option('--leave-out <people>', 'People whose votes do not count: NAME,NAME.', list)
    .addOption(jsonOption())
    .action(async (file: string, flags: Flags) => {
      const { format, votes, aggregation, leaveOut = [], out } = flags;
      checkOutputs({ '--out': out, '--votes': votes }, [file]);
      const { rows, unread } = FORMATS[format](file, await rowsIn(file), settingsOf(flags));
      const answered = rows.map(({ id, prompt, responses }) => ({
        id,
        prompt,
        responses: responses.map((text) => ({ text })),
      }));
      const questions = rows.map(({ id }, i): QuestionRecord => ({
        id: `q${i + 1}`,
        prompt_id: id,
        candidates: [0, 1],
        random: false,
      }));
      const answers = rows.flatMap((row, i) => row.answers.map((answer) => ({ row, question: questions[i], answer })));
      const cast = answers.flatMap(({ question, answer }) =>
        'choice' in answer ? [{ ...answer, question: question.id }] : [],
      );
      if (cast.length === 0) {
        throw new InputError([`${file} has no vote that can be read.`, ...describeUnread(unread)].join('\n'));
      }
      const settings = { aggregation, leaveOut, truncated: 'keep' as const };
      const { preferences, stats } = preferencesOfVotes(answered, questions, cast, settings);
      await writeJsonl(out, preferences);
      if (votes !== undefined) {
        await writeJsonl(
          votes,
          answers.map(({ row, question, answer }) => voteRow(question, row, { ...answer, question: question.id })),
        );
      }
      const voters = answers.map(({ answer: { person } }) => person);
      const note = notVotedNote(leaveOut, voters, '--leave-out');
      if (note !== undefined) console.error(note);
      const counts = { votes: cast.length, skips: answers.length - cast.length };
      if (flags.json) return console.log(JSON.stringify({ ...stats, ...counts, unread, out }));
      console.log(
        `${file}: ${counted(counts.votes, 'vote')} and ${counted(counts.skips, 'skip')} on ${counted(rows.length, 'question')}.`,
      );
      console.log(describePreferences(out, stats));
      for (const line of describeUnread(unread)) console.error(line);
    });
}

function settingsOf({ prompt, responses, question, values }: Flags): ImportSettings {
  if (responses && responses.length !== 2) throw new InputError('--responses needs two fields: FIRST,SECOND.');
  if (question && question.length > 2)
    throw new InputError('--question takes one name, or two of ratings: FIRST,SECOND.');
  if (values && (values.length < 2 || values.length > 4))
    throw new InputError('--values needs two to four answers: FIRST,SECOND,TIE,BOTH-BAD.');
  return { prompt, responses: responses as [string, string] | undefined, question, values };
}

/** The objects of a JSON array or of JSON Lines. @throws InputError */
async function rowsIn(file: string): Promise<Row[]> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw readFailure(file, error);
  });
  const text = decodeUtf8(bytes, file).replace(/^\ufeff/, '');
  if (!text.trimStart().startsWith('[')) return collect(jsonlRows(file));
  const records = parseJson(text, file, 'give a JSON array of records, or JSON Lines.') as unknown[];
  return records.map((record, i) => {
    const where = `${file} record ${i + 1}`;
    if (typeof record === 'object' && record !== null && !Array.isArray(record)) return makeRow(where, record);
    throw new InputError(`${where} is not a JSON object; every record must be one.`);
  });
}

function describeUnread(unread: Unread[]): string[] {
  if (unread.length === 0) return [];
  const more = unread.length - LISTED;
  return [
    `Not imported: ${unread.length} ${unread.length === 1 ? 'row or answer' : 'rows or answers'}:`,
    ...unread.slice(0, LISTED).map(({ where, reason }) => `  ${where} ${reason}.`),
    ...(more > 0 ? [`  and ${more} more (--json lists all).`] : []),
  ];
}
