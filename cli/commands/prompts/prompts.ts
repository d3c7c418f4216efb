import { Command } from 'commander';
import { promptsFinalAnswerCommand } from './final-answer.ts';
import { promptsIfevalCommand } from './ifeval.ts';
import { promptsJsonSchemaCommand } from './json-schema.ts';
import { promptsRegexCommand } from './regex.ts';

/** `selm prompts`: make prompts whose responses a program can check. */
export function promptsCommand(): Command {
  return new Command('prompts')
    .description(
      'Make prompts whose responses a program can check, for `label.by` in a run or --by of selm label and evaluate.',
    )
    .addCommand(promptsIfevalCommand())
    .addCommand(promptsFinalAnswerCommand())
    .addCommand(promptsRegexCommand())
    .addCommand(promptsJsonSchemaCommand());
}
