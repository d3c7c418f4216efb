import { Command } from 'commander';
import { addPolicy, jsonOption, policyOf, summarize, withEngine, type PolicyFlags } from './step.ts';

interface Flags extends PolicyFlags {
  out: string;
  json?: boolean;
}

/** `selm export`: a model folder with the adapter merged in. */
export function exportCommand(): Command {
  const command = new Command('export').description('Merge an adapter into its model.');
  addPolicy(command);
  return command
    .requiredOption('--out <folder>', 'Gets a Hugging Face model folder, weights in float32.')
    .addOption(jsonOption())
    .action(async (flags: Flags) => {
      const policy = await policyOf(flags);
      await withEngine((engine) => engine.run('export', { policy, outDir: flags.out }));
      summarize(flags, { out: flags.out }, `${flags.out}: the merged model.`);
    });
}
