import { Command } from 'commander';
import { sampledRows } from '../../activities/sample.ts';
import { IFEVAL_TOKENS } from '../../config/benchmarks.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { readPrompts } from '../../data/prompts.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { IFEVAL_PROMPTS } from '../../evaluation/benchmarks/ifeval.ts';
import { ifevalAccuracies, type Accuracy } from '../../labelers/verifier/accuracy.ts';
import { checksOf } from '../../labelers/verifier/verifier.ts';
import { percent } from '../../data/numbers.ts';
import { checkOutputs } from '../output-files.ts';
import { SettingsFlags, type GivenFlags } from '../settings.ts';
import { addPolicy, jsonOption, policyOf, summarize, withEngine, type PolicyFlags } from '../step.ts';

/** Sampling settings. The maximum response length is that of lm-evaluation-harness for IFEval. */
const schema = samplingSchema.extend({
  maxNewTokens: samplingSchema.shape.maxNewTokens.unwrap().default(IFEVAL_TOKENS),
});
const samplingFlags = new SettingsFlags(schema, { only: ['maxNewTokens', 'batchSize'] });

interface Flags extends PolicyFlags {
  prompts?: string;
  out?: string;
  json?: boolean;
}

/** `selm ifeval`: the IFEval suite on a policy's greedy responses. */
export function ifevalCommand(): Command {
  const command = new Command('ifeval').description(
    "IFEval (arXiv 2311.07911) on a policy's greedy responses: strict and loose accuracy, by prompt and by instruction.",
  );
  addPolicy(command);
  command.option('--prompts <file>', 'Prompts with instructions. Default: the 541 prompts of IFEval.');
  command.option('--out <file>', 'File for the responses: a row {id, prompt, responses} per prompt.');
  samplingFlags.addTo(command);
  command.addOption(jsonOption());
  return command.action(async (flags: Flags & GivenFlags) => {
    const settings = samplingFlags.read(flags);
    checkOutputs({ '--out': flags.out }, [flags.prompts, flags.chatTemplate]);
    const policy = await policyOf(flags);
    const prompts = await readPrompts(flags.prompts ?? IFEVAL_PROMPTS);
    // Sampling takes long, and prompts that cannot be checked are found before it.
    prompts.forEach(checksOf);
    const result = await withEngine((engine) => engine.run('sample', { policy, prompts, settings, seed: 0 }));
    if (flags.out !== undefined) await writeJsonl(flags.out, sampledRows(prompts, result));
    const accuracies = ifevalAccuracies(
      prompts,
      result.responses.map(([{ text }]) => text),
    );
    const kinds = Object.keys(accuracies.strict.byKind).map(
      (kind) =>
        `  ${kind}: ${percent(accuracies.strict.byKind[kind])} strict, ${percent(accuracies.loose.byKind[kind])} loose`,
    );
    summarize(
      flags,
      { ...accuracies },
      [line('strict', accuracies.strict), line('loose', accuracies.loose), ...kinds].join('\n'),
    );
  });
}

const line = (name: string, { promptLevel, instructionLevel }: Accuracy) =>
  `${name}: prompt-level ${percent(promptLevel)}, instruction-level ${percent(instructionLevel)}`;
