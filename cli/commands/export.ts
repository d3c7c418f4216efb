import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { counted } from '../../data/counted.ts';
import { contentOf } from '../../data/conversation.ts';
import { InputError } from '../../data/errors.ts';
import { readSampled } from '../../data/readers.ts';
import { checkOutputs } from '../output-files.ts';
import { addChatTemplate, jsonOption, policyOf, summarize, withEngine, type PolicyFlags } from '../step.ts';

interface Flags extends Partial<PolicyFlags> {
  format: 'model' | 'alpaca_eval';
  in?: string;
  generator?: string;
  out: string;
  json?: boolean;
}

/** `selm export`: merge an adapter into its model, or write responses in alpaca_eval's format. */
export function exportCommand(): Command {
  return addChatTemplate(new Command('export'))
    .description("Merge an adapter into its model, or write responses as alpaca_eval's model outputs.")
    .addOption(new Option('--format <format>', 'What to write.').choices(['model', 'alpaca_eval']).default('model'))
    .option(
      '--model <folder|id>',
      'Base model: a Hugging Face model folder, a hub id, or a policy NAME@version (--format model).',
    )
    .option('--adapter <folder|name>', 'PEFT adapter to merge: a folder, or a policy NAME@version (--format model).')
    .option('--in <file>', 'Responses: rows of selm sample (--format alpaca_eval).')
    .option('--generator <name>', 'Name of the policy (--format alpaca_eval).')
    .requiredOption('--out <path>', 'Folder for the model, with weights in float32; or JSON file for the outputs.')
    .addOption(jsonOption())
    .action((flags: Flags) => (flags.format === 'model' ? exportModel(flags) : exportOutputs(flags)));
}

async function exportModel(flags: Flags): Promise<void> {
  const { model, out } = flags;
  if (model === undefined) throw new InputError('selm export merges an adapter into a model: give --model.');
  const policy = await policyOf({ ...flags, model });
  await withEngine((engine) => engine.run('export', { policy, outDir: out }));
  summarize(flags, { out }, `${out}: the merged model.`);
}

/** Writes alpaca_eval's model outputs: the first response to each prompt. */
async function exportOutputs(flags: Flags): Promise<void> {
  const { in: source, generator, out } = flags;
  if (source === undefined || generator === undefined) {
    throw new InputError(
      'selm export --format alpaca_eval needs responses and the name of their policy: give --in and --generator.',
    );
  }
  checkOutputs({ '--out': out }, [source]);
  const outputs = (await readSampled(source)).map(({ prompt, responses, dataset = 'selm' }) => ({
    dataset,
    instruction: contentOf(prompt),
    output: responses[0].text,
    generator,
  }));
  await writeFile(out, `${JSON.stringify(outputs, null, 2)}\n`);
  summarize(flags, { outputs: outputs.length, out }, `${out}: ${counted(outputs.length, 'response')} of ${generator}.`);
}
