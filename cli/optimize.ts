import { Command, Option } from 'commander';
import { readPreferences } from '../data/readers.ts';
import { objectiveFields, objectiveSchema } from '../engine/protocol/settings.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { checkTokens } from '../engine/tokens/preferences.ts';
import { addSettings, readSettings, seedSchema } from './settings.ts';
import { addPolicy, jsonOption, policyOf, warnOfTools, withEngine, type PolicyFlags } from './step.ts';
import { addTraining, readTraining, reportTraining } from './training.ts';

const OBJECTIVE_FIELDS = ['beta', 'alpha', 'gamma'] as const;

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
    .option('--reference-adapter <folder>', 'Adapter of the reference policy (default: --adapter).')
    .requiredOption(
      '--preferences <file>',
      "Rows in TRL's preference format plus reference_response and, where they were sampled, token ids; or token ids alone.",
    )
    .requiredOption('--out <folder>', 'Gets the trained adapter, or the model with --full.')
    .addOption(
      new Option('--objective <name>', 'The loss (default: selm)').choices(objectiveFields.shape.name.unwrap().options),
    );
  addSettings(command, objectiveFields, [...OBJECTIVE_FIELDS]);
  addTraining(command);
  addSettings(command, seedSchema, ['seed']);
  command.addOption(jsonOption());
  return command.action(async (flags: Flags & Record<string, unknown>) => {
    const objective = readSettings(objectiveSchema, { ...flags, name: flags['objective'] }, [
      'name',
      ...OBJECTIVE_FIELDS,
    ]);
    const training = readTraining(flags);
    const { seed } = readSettings(seedSchema, flags, ['seed']);
    const policy = await policyOf(flags);
    const adapter = flags.referenceAdapter ?? policy.adapter;
    const reference = { ...policy, ...(adapter !== undefined && { adapter }) };
    const { rows, numbers } = await readPreferences(flags.preferences);
    checkTokens(rows, numbers, () => loadTokenizer(policy.model, policy.chatTemplate));
    warnOfTools(policy, rows);
    const result = await withEngine((engine) =>
      // The engine reads the file again: it counts what it leaves out, and names rows by their place.
      engine.run('optimize', {
        policy,
        reference,
        rows: flags.preferences,
        objective,
        training,
        seed,
        outDir: flags.out,
      }),
    );
    await reportTraining(flags, result);
  });
}
