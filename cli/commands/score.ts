import { Command } from 'commander';
import { counted } from '../../data/counted.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { readScoreRows } from '../../data/readers.ts';
import { checkOutputs } from '../output-files.ts';
import {
  addPolicy,
  computeFlags,
  computeOf,
  describeNonPrefix,
  jsonOption,
  policyOf,
  summarize,
  warnOfIgnored,
  withEngine,
  type PolicyFlags,
} from '../step.ts';

interface Flags extends PolicyFlags {
  in: string;
  out: string;
  json?: boolean;
}

/** `selm score`: compute log-probabilities of given responses. */
export function scoreCommand(): Command {
  const command = new Command('score').description(
    'Compute the log-probabilities of responses under a policy (sums over their tokens).',
  );
  addPolicy(command);
  command
    .requiredOption(
      '--in <file>',
      'Rows {prompt, response} or {prompt_input_ids, response_input_ids}. Of a row with both, the texts are scored.',
    )
    .requiredOption('--out <file>', 'File for a row {logp, tokens} per response, in the same order.');
  return computeFlags
    .addTo(command)
    .addOption(jsonOption())
    .action(async (flags: Flags) => {
      const compute = computeOf(flags);
      checkOutputs({ '--out': flags.out }, [flags.in, flags.chatTemplate]);
      const policy = await policyOf(flags);
      const rows = await readScoreRows(flags.in);
      warnOfIgnored(policy, rows);
      const scores = await withEngine((engine) => engine.run('score', { policy, rows, ...compute }));
      await writeJsonl(flags.out, scores);
      const tokens = scores.reduce((total, score) => total + score.tokens, 0);
      const nonPrefix = scores.filter(({ isPrefix }) => isPrefix === false).length;
      const meanLogp = scores.reduce((total, score) => total + score.logp, 0) / scores.length;
      summarize(
        flags,
        { rows: rows.length, tokens, mean_logp: meanLogp, non_prefix_rows: nonPrefix, out: flags.out },
        `${flags.out}: ${counted(rows.length, 'response')} scored, mean log-probability ${meanLogp.toFixed(3)}.${describeNonPrefix(nonPrefix)}`,
      );
    });
}
