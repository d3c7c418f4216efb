import { Option, type Command } from 'commander';
import { compileSchema, readSchema, schemaOfRow } from '../../../labelers/json-schema.ts';
import { columnOf } from '../../../labelers/prompts/checked.ts';
import { checkedCommand, writeChecked, type CheckedFlags } from './checked.ts';

interface Flags extends CheckedFlags {
  schema?: string;
  schemaColumn: string;
}

const ADDITION = '\n\nAnswer only with JSON that fits this JSON schema:\n{schema}';

/** `selm prompts json-schema`: make prompts whose responses must be JSON that fits a schema. */
export function promptsJsonSchemaCommand(): Command {
  return checkedCommand('json-schema', {
    description:
      'Make prompts whose responses must be JSON that fits a JSON schema, such as extraction: one schema for all, or one per row. For ' +
      'label.by: json-schema without a schema, which then reads those of the rows. Rows without a valid schema are dropped and counted.',
    from: 'prompts in a column prompt (or question, problem, instruction, text).',
    standard:
      "the row's prompt, and the request to answer with JSON that fits the schema. {schema} is the schema as JSON.",
    example:
      '  selm prompts json-schema --from mails.jsonl --schema order.json --out train.jsonl \\\n' +
      "    --template 'Extract the order from this mail as JSON that fits the schema {schema}. Mail: {body}'",
  })
    .addOption(new Option('--schema <file>', 'JSON schema of all rows.').conflicts('schemaColumn'))
    .option('--schema-column <name>', 'Column with the JSON schema, or its text, without --schema.', 'schema')
    .action((flags: Flags) => {
      const schema = flags.schema === undefined ? undefined : readSchema(flags.schema, '--schema');
      // A schema of all rows that is not valid is not an error in the rows.
      if (schema !== undefined) compileSchema(schema, flags.schema!);
      return writeChecked(
        flags,
        {
          addition: ADDITION,
          columns: (row) => ({ schema: schema ?? columnOf(row, flags.schemaColumn, '--schema-column') }),
          rule: schemaOfRow(),
        },
        ['schema'],
      );
    });
}
