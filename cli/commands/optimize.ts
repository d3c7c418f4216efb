import { Command } from 'commander';
import { readPreferences } from '../../data/readers.ts';
import { objectiveSchema } from '../../engine/protocol/settings.ts';
import { loadTokenizer } from '../../engine/tokenizer/tokenizer.ts';
import { checkTokens } from '../../engine/tokens/preferences.ts';
import { seedFlags, SettingsFlags, type GivenFlags } from '../settings.ts';
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

const objectiveFlags = new SettingsFlags(objectiveSchema, { named: { name: 'objective' } });

interface Flags extends PolicyFlags {
  referenceAdapter?: string;
  preferences: string;
  out: string;
  json?: boolean;
}

/** `selm optimize`: train a policy on preferences. */
export function optimizeCommand(): Command {
  const command = new Command('optimize').description('Train a policy on preferences.');
  addPolicy(command);
  command
    .option('--reference-adapter <folder>', 'Adapter of the reference policy. Default: --adapter.')
    .requiredOption(
      '--preferences <file>',
      "Rows in TRL's preference format, with reference_response and the sampled token ids if there are any; " +
        'or rows of token ids only.',
    )
    .requiredOption('--out <folder>', 'Folder for the trained adapter, or for the model with --full.');
  for (const group of [objectiveFlags, trainingFlags, seedFlags, computeFlags]) group.addTo(command);
  return command.addOption(jsonOption()).action(async (flags: Flags & GivenFlags) => {
    const objective = objectiveFlags.read(flags);
    const training = trainingFlags.read(flags);
    const { seed } = seedFlags.read(flags);
    const compute = computeOf(flags);
    const policy = await policyOf(flags);
    checkLoraFlags(flags, training, policy);
    const adapter = flags.referenceAdapter ?? policy.adapter;
    const reference = { ...policy, ...(adapter !== undefined && { adapter }) };
    const { rows, numbers } = await readPreferences(flags.preferences);
    checkTokens(rows, numbers, () => loadTokenizer(policy.model, policy.chatTemplate));
    warnOfIgnored(policy, rows, numbers);
    // The engine reads the file itself, so that it can count dropped rows and refer to rows by number.
    const job = {
      policy,
      reference,
      rows: flags.preferences,
      objective,
      training,
      seed,
      outDir: flags.out,
      ...compute,
    };
    const result = await withEngine((engine) => engine.run('optimize', job));
    nameBase(flags.out, training, policy);
    await reportTraining(flags, 'preference', training, result);
  });
}
