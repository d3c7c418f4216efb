/** The subcommands: their summaries in `selm --help`, and how they are loaded. */
import type { Command } from 'commander';

export interface CommandEntry {
  /** The line in `selm --help`. The command's own help has the full description. */
  summary: string;
  /** Imports the command's file. Most of them load Temporal's client, zod or ONNX Runtime. */
  load: () => Promise<Command>;
}

/** All subcommands, in the order of the help. */
export const commands: Record<string, CommandEntry> = {
  run: {
    summary: 'Start or resume a run, with a server and workers on this machine.',
    load: async () => (await import('./commands/run.ts')).runCommand(),
  },
  start: {
    summary: 'Start a run on a Temporal server and return.',
    load: async () => (await import('./commands/start.ts')).startCommand(),
  },
  status: {
    summary: 'Show the state of a run, or list all runs.',
    load: async () => (await import('./commands/status.ts')).statusCommand(),
  },
  watch: {
    summary: 'Watch a run until it ends.',
    load: async () => (await import('./commands/watch.ts')).watchCommand(),
  },
  retry: {
    summary: 'Retry the failed step of a run.',
    load: async () => (await import('./commands/retry.ts')).retryCommand(),
  },
  skip: {
    summary: 'Skip the failed round or benchmark of a run.',
    load: async () => (await import('./commands/skip.ts')).skipCommand(),
  },
  stop: {
    summary: 'Stop a run after the current step; its last accepted policy is released.',
    load: async () => (await import('./commands/stop.ts')).stopCommand(),
  },
  pause: {
    summary: 'Pause a run after the current step.',
    load: async () => (await import('./commands/pause.ts')).pauseCommand(),
  },
  resume: {
    summary: 'Resume a paused run.',
    load: async () => (await import('./commands/resume.ts')).resumeCommand(),
  },
  report: {
    summary: 'Write the report of a run as HTML, JSON Lines and TensorBoard events.',
    load: async () => (await import('./commands/report.ts')).reportCommand(),
  },
  ui: {
    summary: 'Serve web pages of runs and policies, and for people who vote or decide about runs.',
    load: async () => (await import('./commands/ui.ts')).uiCommand(),
  },
  schedule: {
    summary: 'Create and manage schedules that start runs.',
    load: async () => (await import('./commands/schedule.ts')).scheduleCommand(),
  },
  policies: {
    summary: 'List the released policies.',
    load: async () => (await import('./commands/policies.ts')).policiesCommand(),
  },
  verify: {
    summary: "Recompute a run's steps and compare every byte.",
    load: async () => (await import('./commands/verify.ts')).verifyCommand(),
  },
  gc: {
    summary: 'List or delete unreferenced artifacts.',
    load: async () => (await import('./commands/gc.ts')).gcCommand(),
  },
  worker: {
    summary: 'Run a worker for a Temporal server.',
    load: async () => (await import('./commands/worker.ts')).workerCommand(),
  },
  deploy: {
    summary: 'Deploy selm to an AWS account.',
    load: async () => (await import('./commands/deploy/deploy.ts')).deployCommand(),
  },
  doctor: {
    summary: "Check this machine, or a run's configuration and what its rounds need.",
    load: async () => (await import('./commands/doctor.ts')).doctorCommand(),
  },
  torch: {
    summary: 'Install PyTorch and vLLM for runs on GPUs.',
    load: async () => (await import('./commands/torch.ts')).torchCommand(),
  },
  prompts: {
    summary: 'Make prompts whose responses a program can check.',
    load: async () => (await import('./commands/prompts/prompts.ts')).promptsCommand(),
  },
  sample: {
    summary: 'Sample responses to prompts.',
    load: async () => (await import('./commands/sample.ts')).sampleCommand(),
  },
  score: {
    summary: 'Compute the log-probabilities of responses under a policy.',
    load: async () => (await import('./commands/score.ts')).scoreCommand(),
  },
  diagnose: {
    summary: 'Compare the implicit rewards of adapters: accuracy, scale and drift.',
    load: async () => (await import('./commands/diagnose.ts')).diagnoseCommand(),
  },
  label: {
    summary: 'Label responses and write preference pairs; invite people who vote.',
    load: async () => (await import('./commands/label/label.ts')).labelCommand(),
  },
  optimize: {
    summary: 'Train a policy on preference pairs.',
    load: async () => (await import('./commands/optimize.ts')).optimizeCommand(),
  },
  evaluate: {
    summary: "Score a policy's greedy responses, alone or against another policy's.",
    load: async () => (await import('./commands/evaluate.ts')).evaluateCommand(),
  },
  winrate: {
    summary: 'Compute raw and length-controlled win rates as AlpacaEval 2 does.',
    load: async () => (await import('./commands/winrate.ts')).winrateCommand(),
  },
  benchmarks: {
    summary: 'Install what the benchmarks of runs need.',
    load: async () => (await import('./commands/benchmarks.ts')).benchmarksCommand(),
  },
  ifeval: {
    summary: 'Run IFEval (arXiv 2311.07911).',
    load: async () => (await import('./commands/ifeval.ts')).ifevalCommand(),
  },
  'mt-bench': {
    summary: 'Run MT-Bench (arXiv 2306.05685).',
    load: async () => (await import('./commands/mt-bench.ts')).mtBenchCommand(),
  },
  sft: {
    summary: 'Fine-tune a policy on demonstrations.',
    load: async () => (await import('./commands/sft.ts')).sftCommand(),
  },
  chat: {
    summary: 'Chat with a policy.',
    load: async () => (await import('./commands/chat.ts')).chatCommand(),
  },
  serve: {
    summary: 'Serve a policy to OpenAI-compatible clients.',
    load: async () => (await import('./commands/serve.ts')).serveCommand(),
  },
  export: {
    summary: 'Merge an adapter into its model, or write responses for alpaca_eval.',
    load: async () => (await import('./commands/export.ts')).exportCommand(),
  },
};
