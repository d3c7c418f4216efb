/** `selm`: the command line. One file a subcommand; bad usage and bad input end with one sentence and exit code 2. */
import { Command, CommanderError } from 'commander';
import { chatCommand } from './chat.ts';
import { deployCommand } from './deploy.ts';
import { exitCodeOf, report } from './errors.ts';
import { diagnoseCommand } from './diagnose.ts';
import { doctorCommand } from './doctor.ts';
import { evaluateCommand } from './evaluate.ts';
import { exportCommand } from './export.ts';
import { gcCommand } from './gc.ts';
import { ifevalCommand } from './ifeval.ts';
import { labelCommand } from './label.ts';
import { mtBenchCommand } from './mt-bench.ts';
import { optimizeCommand } from './optimize.ts';
import { pauseCommand } from './pause.ts';
import { resumeCommand } from './resume.ts';
import { policiesCommand } from './policies.ts';
import { reportCommand } from './report.ts';
import { retryCommand } from './retry.ts';
import { runCommand } from './run.ts';
import { sampleCommand } from './sample.ts';
import { scheduleCommand } from './schedule.ts';
import { scoreCommand } from './score.ts';
import { serveCommand } from './serve.ts';
import { sftCommand } from './sft.ts';
import { skipCommand } from './skip.ts';
import { startCommand } from './start.ts';
import { statusCommand } from './status.ts';
import { stopCommand } from './stop.ts';
import { uiCommand } from './ui.ts';
import { verifyCommand } from './verify.ts';
import { watchCommand } from './watch.ts';
import { winrateCommand } from './winrate.ts';
import { workerCommand } from './worker.ts';

const program = new Command('selm')
  .description('Durable online alignment of language models (SELM, arXiv 2405.19332).')
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, 'selm: ').replace(/\n\((Did .+)\)/, '; $1')),
  })
  .exitOverride();

for (const command of [
  runCommand(),
  startCommand(),
  statusCommand(),
  watchCommand(),
  retryCommand(),
  skipCommand(),
  stopCommand(),
  pauseCommand(),
  resumeCommand(),
  reportCommand(),
  uiCommand(),
  scheduleCommand(),
  policiesCommand(),
  verifyCommand(),
  gcCommand(),
  workerCommand(),
  deployCommand(),
  doctorCommand(),
  sampleCommand(),
  scoreCommand(),
  diagnoseCommand(),
  labelCommand(),
  optimizeCommand(),
  evaluateCommand(),
  winrateCommand(),
  ifevalCommand(),
  mtBenchCommand(),
  sftCommand(),
  chatCommand(),
  serveCommand(),
  exportCommand(),
]) {
  program.addCommand(command.copyInheritedSettings(program));
}

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed its own errors, and help, already.
  if (!(error instanceof CommanderError)) report(error);
  process.exitCode = exitCodeOf(error);
}
