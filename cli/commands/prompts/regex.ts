import { Option, type Command } from 'commander';
import { InputError } from '../../../data/errors.ts';
import { columnOf } from '../../../labelers/prompts/checked.ts';
import { expressionOf, patternOfRow } from '../../../labelers/regex.ts';
import { checkedCommand, writeChecked, type CheckedFlags } from './checked.ts';

interface Flags extends CheckedFlags {
  pattern?: string;
  patternColumn: string;
  flags?: string;
}

/** `selm prompts regex`: make prompts whose responses must match a regular expression. */
export function promptsRegexCommand(): Command {
  return checkedCommand('regex', {
    description:
      'Make prompts whose responses must match a regular expression: one for all, or one per row. For label.by: regex without a ' +
      'pattern, which then reads those of the rows. Rows without a valid pattern are dropped and counted.',
    from: 'prompts in a column prompt (or question, problem, instruction, text), which say what the response must look like.',
    standard: "the row's prompt.",
    example:
      "  selm prompts regex --from dates.parquet --template 'When did this happen? Answer as YYYY-MM-DD. {event}' \\\n" +
      "    --pattern '^\\d{4}-\\d\\d-\\d\\d$' --out train.jsonl",
  })
    .addOption(
      new Option('--pattern <regex>', 'Regular expression of all rows, as in JavaScript.').conflicts('patternColumn'),
    )
    .option('--pattern-column <name>', 'Column with the regular expression, without --pattern.', 'pattern')
    .option('--flags <letters>', 'Flags of --pattern: some of i, m, s and u. Flags of rows are in a column flags.')
    .action((flags: Flags) => {
      const { pattern } = flags;
      if (pattern === undefined && flags.flags !== undefined)
        throw new InputError(
          '--flags belongs to --pattern; give --pattern too, or the flags of rows in a column flags.',
        );
      // A pattern of all rows that is not valid is not an error in the rows.
      if (pattern !== undefined) expressionOf({ where: 'The command line', fields: { pattern, flags: flags.flags } });
      return writeChecked(flags, {
        addition: '',
        columns: (row) =>
          pattern === undefined
            ? { pattern: columnOf(row, flags.patternColumn, '--pattern-column'), flags: row['flags'] }
            : { pattern, flags: flags.flags },
        rule: patternOfRow(),
      });
    });
}
