import { Command } from 'commander';
import { promptsFinalAnswerCommand } from './prompts-final-answer.ts';
import { promptsIfevalCommand } from './prompts-ifeval.ts';
import { promptsJsonSchemaCommand } from './prompts-json-schema.ts';
import { promptsRegexCommand } from './prompts-regex.ts';

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
