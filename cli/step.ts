/** What the commands that run a single step on files have in common. */
import { Option, type Command } from 'commander';
import { resolveModel } from '../data/hub.ts';
import { startEngine } from '../engine/host.ts';
import type { CallOptions, Engine, Policy } from '../engine/jobs.ts';
import { deviceSchema } from '../engine/settings.ts';
import { DEVICES, type Device } from '../engine/target.ts';
import { adapterFolder, namedPolicy } from './names.ts';
import { showProgress } from './progress.ts';

export function addPolicy(command: Command): void {
  command
    .requiredOption(
      '--model <folder|id>',
      'Hugging Face model folder, or hub id org/name[@revision], or policy NAME@version.',
    )
    .option('--adapter <folder|name>', 'PEFT adapter on top of the model, or policy NAME@version (selm policies).')
    .addOption(new Option('--device <name>', `${deviceSchema.description} (default: cpu)`).choices(DEVICES));
}

export interface PolicyFlags {
  model: string;
  adapter?: string;
  device?: Device;
}

export async function policyOf({ model, adapter, device }: PolicyFlags): Promise<Policy> {
  const base = (await namedPolicy(model)) ?? { model: await resolveModel(model) };
  return {
    ...base,
    ...(adapter !== undefined && { adapter: await adapterFolder(adapter) }),
    ...(device && { device }),
  };
}

export const jsonOption = () => new Option('--json', 'Print a machine-readable summary as the last line.');

/** Prints what was done: as JSON for machines, else as a sentence for people. */
export function summarize(flags: { json?: boolean }, summary: Record<string, unknown>, sentence: string): void {
  console.log(flags.json ? JSON.stringify(summary) : sentence);
}

/** Runs with an engine whose process ends when the work is done; Ctrl-C stops the job in an orderly way. */
export async function withEngine<T>(work: (engine: Engine, options: CallOptions) => Promise<T>): Promise<T> {
  const engine = startEngine();
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once('SIGINT', interrupt);
  const watched: Engine = {
    run: async (method, job, options) => {
      const bar = showProgress(method);
      try {
        const onProgress = options?.onProgress ?? bar.update;
        return await engine.run(method, job, { signal: stop.signal, ...options, onProgress });
      } finally {
        bar.stop();
      }
    },
    close: () => engine.close(),
  };
  try {
    return await work(watched, { signal: stop.signal });
  } finally {
    process.off('SIGINT', interrupt);
    await engine.close();
  }
}
