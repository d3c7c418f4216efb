import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { contentOf } from '../data/conversation.ts';
import { InputError } from '../data/errors.ts';
import { readSampled } from '../data/readers.ts';
import { addChatTemplate, jsonOption, policyOf, summarize, withEngine, type PolicyFlags } from './step.ts';

interface Flags extends Partial<PolicyFlags> {
  format: 'model' | 'alpaca_eval';
  in?: string;
  generator?: string;
  out: string;
  json?: boolean;
}

/** `selm export`: a model folder with the adapter merged in, or answers in another program's format. */
export function exportCommand(): Command {
  return addChatTemplate(new Command('export'))
    .description("Merge an adapter into its model, or write answers as alpaca_eval's model outputs.")
    .addOption(new Option('--format <format>', 'What to write.').choices(['model', 'alpaca_eval']).default('model'))
    .option('--model <folder|id>', 'Of a model: Hugging Face model folder, or hub id, or policy NAME@version.')
    .option('--adapter <folder|name>', 'Of a model: the PEFT adapter to merge, or policy NAME@version.')
    .option('--in <file>', 'Of alpaca_eval: rows of selm sample.')
    .option('--generator <name>', 'Of alpaca_eval: what to call the policy.')
    .requiredOption('--out <path>', 'Gets a model folder, weights in float32; or a JSON file.')
    .addOption(jsonOption())
    .action((flags: Flags) => (flags.format === 'model' ? exportModel(flags) : exportOutputs(flags)));
}

async function exportModel(flags: Flags): Promise<void> {
  const { model, out } = flags;
  if (model === undefined) throw new InputError('selm export needs a model to merge into: give --model.');
  const policy = await policyOf({ ...flags, model });
  await withEngine((engine) => engine.run('export', { policy, outDir: out }));
  summarize(flags, { out }, `${out}: the merged model.`);
}

/** alpaca_eval's model_outputs: the first answer to each prompt. */
async function exportOutputs(flags: Flags): Promise<void> {
  const { in: source, generator, out } = flags;
  if (source === undefined || generator === undefined) {
    throw new InputError(
      'selm export --format alpaca_eval needs answers and a name for who wrote them: give --in and --generator.',
    );
  }
  const outputs = (await readSampled(source)).map(({ prompt, responses, dataset = 'selm' }) => ({
    dataset,
    instruction: contentOf(prompt),
    output: responses[0].text,
    generator,
  }));
  await writeFile(out, `${JSON.stringify(outputs, null, 2)}\n`);
  summarize(flags, { outputs: outputs.length, out }, `${out}: ${outputs.length} answers of ${generator}.`);
}
