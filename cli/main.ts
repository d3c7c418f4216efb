/** `selm`: the command line. One file a subcommand; bad usage and bad input end with one sentence and exit code 2. */
import { Command, CommanderError } from 'commander';
import { endAtStrayErrors } from '../data/stray-errors.ts';
import { exitCodeOf, report } from './errors.ts';

endAtStrayErrors();

/** In the order of the help. */
const commands: Record<string, () => Promise<Command>> = {
  run: async () => (await import('./run.ts')).runCommand(),
  start: async () => (await import('./start.ts')).startCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  watch: async () => (await import('./watch.ts')).watchCommand(),
  retry: async () => (await import('./retry.ts')).retryCommand(),
  skip: async () => (await import('./skip.ts')).skipCommand(),
  stop: async () => (await import('./stop.ts')).stopCommand(),
  pause: async () => (await import('./pause.ts')).pauseCommand(),
  resume: async () => (await import('./resume.ts')).resumeCommand(),
  report: async () => (await import('./report.ts')).reportCommand(),
  ui: async () => (await import('./ui.ts')).uiCommand(),
  schedule: async () => (await import('./schedule.ts')).scheduleCommand(),
  policies: async () => (await import('./policies.ts')).policiesCommand(),
  verify: async () => (await import('./verify.ts')).verifyCommand(),
  gc: async () => (await import('./gc.ts')).gcCommand(),
  worker: async () => (await import('./worker.ts')).workerCommand(),
  deploy: async () => (await import('./deploy.ts')).deployCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  sample: async () => (await import('./sample.ts')).sampleCommand(),
  score: async () => (await import('./score.ts')).scoreCommand(),
  diagnose: async () => (await import('./diagnose.ts')).diagnoseCommand(),
  label: async () => (await import('./label.ts')).labelCommand(),
  optimize: async () => (await import('./optimize.ts')).optimizeCommand(),
  evaluate: async () => (await import('./evaluate.ts')).evaluateCommand(),
  winrate: async () => (await import('./winrate.ts')).winrateCommand(),
  ifeval: async () => (await import('./ifeval.ts')).ifevalCommand(),
  'mt-bench': async () => (await import('./mt-bench.ts')).mtBenchCommand(),
  sft: async () => (await import('./sft.ts')).sftCommand(),
  chat: async () => (await import('./chat.ts')).chatCommand(),
  serve: async () => (await import('./serve.ts')).serveCommand(),
  export: async () => (await import('./export.ts')).exportCommand(),
};

const program = new Command('selm')
  .description('Durable online alignment of language models (SELM, arXiv 2405.19332).')
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, 'selm: ').replace(/\n\((Did .+)\)/, '; $1')),
  })
  .exitOverride();

// Most of a short command's time is loading modules: those of other commands are not needed, unless all are to be listed.
const asked = process.argv[2];
const wanted = Object.hasOwn(commands, asked) ? [asked] : Object.keys(commands);
for (const command of await Promise.all(wanted.map((name) => commands[name]()))) {
  program.addCommand(command.copyInheritedSettings(program));
}

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed its own errors, and help, already.
  if (!(error instanceof CommanderError)) report(error);
  process.exitCode = exitCodeOf(error);
}
