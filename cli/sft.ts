import { Command } from 'commander';
import { readDemonstrations } from '../data/readers.ts';
import { readSettings, addSettings, seedSchema } from './settings.ts';
import { addPolicy, jsonOption, policyOf, warnOfTools, withEngine, type PolicyFlags } from './step.ts';
import { addTraining, readTraining, reportTraining } from './training.ts';

interface Flags extends PolicyFlags {
  demonstrations: string;
  out: string;
  json?: boolean;
}

/** `selm sft`: supervised fine-tuning on demonstrations. */
export function sftCommand(): Command {
  const command = new Command('sft').description('Fine-tune a policy on demonstrations.');
  addPolicy(command);
  command
    .requiredOption(
      '--demonstrations <file>',
      'Rows {prompt, completion}, or {messages} that end with the assistant: every assistant turn is trained on.',
    )
    .requiredOption('--out <folder>', 'Gets the trained adapter, or the model with --full.');
  addTraining(command);
  addSettings(command, seedSchema, ['seed']);
  command.addOption(jsonOption());
  return command.action(async (flags: Flags & Record<string, unknown>) => {
    const training = readTraining(flags);
    const { seed } = readSettings(seedSchema, flags, ['seed']);
    const policy = await policyOf(flags);
    const rows = await readDemonstrations(flags.demonstrations);
    warnOfTools(policy, rows);
    const result = await withEngine((engine) => engine.run('sft', { policy, rows, training, seed, outDir: flags.out }));
    await reportTraining(flags, result);
  });
}
