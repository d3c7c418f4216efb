import { Command } from 'commander';
import { readDemonstrations } from '../../data/readers.ts';
import { seedFlags, type GivenFlags } from '../settings.ts';
import {
  addPolicy,
  computeFlags,
  computeOf,
  jsonOption,
  policyOf,
  warnOfIgnored,
  withEngine,
  type PolicyFlags,
} from '../step.ts';
import { checkLoraFlags, nameBase, reportTraining, trainingFlags } from '../training.ts';

interface Flags extends PolicyFlags {
  demonstrations: string;
  out: string;
  json?: boolean;
}

/** `selm sft`: supervised fine-tuning on demonstrations. */
export function sftCommand(): Command {
  const command = new Command('sft').description('Fine-tune a policy on demonstrations (supervised fine-tuning).');
  addPolicy(command);
  command
    .requiredOption(
      '--demonstrations <file>',
      'Rows {prompt, completion}, or rows {messages} that end with an assistant turn: all assistant turns are trained on.',
    )
    .requiredOption('--out <folder>', 'Folder for the trained adapter, or for the model with --full.');
  for (const group of [trainingFlags, seedFlags, computeFlags]) group.addTo(command);
  return command.addOption(jsonOption()).action(async (flags: Flags & GivenFlags) => {
    const training = trainingFlags.read(flags);
    const { seed } = seedFlags.read(flags);
    const compute = computeOf(flags);
    const policy = await policyOf(flags);
    checkLoraFlags(flags, training, policy);
    const rows = await readDemonstrations(flags.demonstrations);
    warnOfIgnored(policy, rows);
    const job = { policy, rows, training, seed, outDir: flags.out, ...compute };
    const result = await withEngine((engine) => engine.run('sft', job));
    nameBase(flags.out, training, policy);
    await reportTraining(flags, 'demonstration', training, result);
  });
}
