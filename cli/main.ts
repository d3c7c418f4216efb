/** `selm`: the command line. Each subcommand has its own file. Bad usage and bad input end with one sentence and exit code 2. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Help, type Option } from 'commander';
import { endAtStrayErrors } from '../data/stray-errors.ts';
import { commands } from './commands.ts';
import { exitCodeOf, report } from './errors.ts';

endAtStrayErrors();

// From the file itself: engine/version.ts also resolves ONNX Runtime, which this does not need.
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Commander's help does not say which options are required. */
const optionDescription = (option: Option): string =>
  `${new Help().optionDescription(option)}${option.mandatory ? ' (required)' : ''}`;

const program = new Command('selm')
  // A command and its subcommands may have flags of the same name.
  .enablePositionalOptions()
  .version(version, '--version')
  .description('Durable online alignment of language models (SELM, arXiv 2405.19332).')
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, 'selm: ').replace(/\n\((Did .+)\)/, '; $1')),
  })
  .configureHelp({ optionDescription })
  .exitOverride();

// Only the requested command is loaded, because loading modules takes most of a short command's time. Help only needs the summaries.
const [first, second] = process.argv.slice(2);
const requested = first === 'help' ? second : first;
for (const [name, { summary, load }] of Object.entries(commands)) {
  const command = name === requested ? await load() : new Command(name).summary(summary);
  program.addCommand(command.copyInheritedSettings(program));
  for (const subcommand of command.commands) subcommand.copyInheritedSettings(program);
}

try {
  await program.parseAsync();
} catch (error) {
  // Commander has already printed its own errors and the help.
  if (!(error instanceof CommanderError)) report(error);
  process.exitCode = exitCodeOf(error);
}
