import { Command } from 'commander';
import { sampledRows } from '../activities/sample.ts';
import { writeJsonl } from '../data/jsonl.ts';
import { readPrompts } from '../data/prompts.ts';
import { samplingSchema } from '../engine/protocol/settings.ts';
import { addSettings, readSettings, seedSchema } from './settings.ts';
import { addPolicy, jsonOption, policyOf, summarize, warnOfTools, withEngine, type PolicyFlags } from './step.ts';

const FIELDS = [
  'samplesPerPrompt',
  'temperature',
  'topP',
  'topK',
  'maxNewTokens',
  'maxPromptLength',
  'batchSize',
  'weights',
] as const;

interface Flags extends PolicyFlags {
  prompts: string;
  out: string;
  json?: boolean;
}

/** `selm sample`: the policy answers prompts. */
export function sampleCommand(): Command {
  const command = new Command('sample').description('Let a policy answer prompts.');
  addPolicy(command);
  command.requiredOption('--prompts <file>', 'JSON Lines or Parquet file, or hub data set, of prompts.');
  command.requiredOption('--out <file>', 'Gets a row {id, prompt, prompt_input_ids, responses} a prompt.');
  addSettings(command, samplingSchema, [...FIELDS]);
  addSettings(command, seedSchema, ['seed']);
  command.addOption(jsonOption());
  return command.action(async (flags: Flags & Record<string, unknown>) => {
    const settings = readSettings(samplingSchema, flags, [...FIELDS]);
    const { seed } = readSettings(seedSchema, flags, ['seed']);
    const policy = await policyOf(flags);
    const prompts = await readPrompts(flags.prompts);
    warnOfTools(policy, prompts);
    const started = performance.now();
    const result = await withEngine((engine) => engine.run('sample', { policy, prompts, settings, seed }));
    await writeJsonl(flags.out, sampledRows(prompts, result));
    const seconds = (performance.now() - started) / 1000;
    const { promptIds, sampledTokens, divergence } = result;
    const promptTokens = promptIds.reduce((total, { length }) => total + length, 0);
    const rounded = divergence ? ` 8-bit weights: KL ${divergence.klPerToken.toExponential(1)} a token.` : '';
    summarize(
      flags,
      {
        prompts: prompts.length,
        prompt_tokens: promptTokens,
        sampled_tokens: sampledTokens,
        ...(divergence && { kl_per_token: divergence.klPerToken }),
        seconds,
        out: flags.out,
      },
      `${flags.out}: ${prompts.length} prompts answered, ${sampledTokens} tokens in ${seconds.toFixed(1)} s.${rounded}`,
    );
  });
}
