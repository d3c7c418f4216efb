import { Command } from 'commander';
import { counted } from '../../data/counted.ts';
import { sampledRows } from '../../activities/sample.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { readPrompts } from '../../data/prompts.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { checkOutputs } from '../output-files.ts';
import { seedFlags, SettingsFlags, type GivenFlags } from '../settings.ts';
import { addPolicy, jsonOption, policyOf, summarize, warnOfIgnored, withEngine, type PolicyFlags } from '../step.ts';

const samplingFlags = new SettingsFlags(samplingSchema);

interface Flags extends PolicyFlags {
  prompts: string;
  out: string;
  json?: boolean;
}

/** `selm sample`: sample responses to prompts. */
export function sampleCommand(): Command {
  const command = new Command('sample').description("Sample a policy's responses to prompts.");
  addPolicy(command);
  command
    .requiredOption('--prompts <file|id>', 'Prompts: a JSON Lines or Parquet file, or a hub data set.')
    .requiredOption('--out <file>', 'File for a row {id, prompt, prompt_input_ids, responses} per prompt.');
  for (const group of [samplingFlags, seedFlags]) group.addTo(command);
  return command.addOption(jsonOption()).action(async (flags: Flags & GivenFlags) => {
    const settings = samplingFlags.read(flags);
    const { seed } = seedFlags.read(flags);
    checkOutputs({ '--out': flags.out }, [flags.prompts, flags.chatTemplate]);
    const policy = await policyOf(flags);
    const prompts = await readPrompts(flags.prompts);
    warnOfIgnored(policy, prompts);
    const started = performance.now();
    const result = await withEngine((engine) => engine.run('sample', { policy, prompts, settings, seed }));
    await writeJsonl(flags.out, sampledRows(prompts, result));
    const seconds = (performance.now() - started) / 1000;
    const { promptIds, sampledTokens, divergence } = result;
    const promptTokens = promptIds.reduce((total, { length }) => total + length, 0);
    const quantized = divergence ? ` 8-bit weights: KL ${divergence.klPerToken.toExponential(1)} per token.` : '';
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
      `${flags.out}: responses to ${counted(prompts.length, 'prompt')}, ${counted(sampledTokens, 'token')} in ${seconds.toFixed(1)} s.${quantized}`,
    );
  });
}
