import Table from 'cli-table3';
import { Command } from 'commander';
import { diagnose, type DiagnosedScores, type Diagnosis, type Scale } from '../activities/diagnose.ts';
import { InputError } from '../data/errors.ts';
import { readPreferences, readScoreRows } from '../data/readers.ts';
import type { Policy, ScoreJob } from '../engine/jobs.ts';
import { objectiveSchema } from '../engine/settings.ts';
import { adapterFolder } from './names.ts';
import { percent } from './numbers.ts';
import { readSettings } from './settings.ts';
import { addChatTemplate, jsonOption, policyOf, summarize, withEngine, type PolicyFlags } from './step.ts';

interface Flags extends Omit<PolicyFlags, 'adapter'> {
  adapter: string[];
  referenceAdapter?: string;
  preferences: string;
  unseen?: string;
  json?: boolean;
}

/** `selm diagnose`: the implicit rewards of one or several adapters, side by side. */
export function diagnoseCommand(): Command {
  return addChatTemplate(new Command('diagnose'))
    .description('Accuracy, scale and drift of the reward that lives in a policy: beta (log pi - log pi_ref).')
    .requiredOption('--model <folder|id>', 'The model under all adapters: a folder, or hub id org/name[@revision].')
    .requiredOption('--adapter <folder|name...>', 'The adapters to diagnose, or policies NAME@version.')
    .option('--reference-adapter <folder|name>', 'Adapter of the reference policy (default: the model alone).')
    .requiredOption('--preferences <file>', 'Held-out preferences: texts, or tokenized.')
    .option('--unseen <file>', 'Answers nobody ranked: rows {prompt, response} or tokenized; tells the drift.')
    .option('--beta <n>', 'What rewards are scaled by (default: 0.01)')
    .addOption(jsonOption())
    .action(async (flags: Flags & Record<string, unknown>) => {
      const { beta } = readSettings(objectiveSchema, flags, ['beta']);
      const base = await policyOf({ ...flags, adapter: undefined });
      const adapters = await Promise.all(flags.adapter.map(adapterFolder));
      const reference = await policyOf({ ...flags, adapter: flags.referenceAdapter });
      const pairs = await readPreferences(flags.preferences);
      if (pairs.length === 0) throw new InputError(`${flags.preferences} has no rows; give preferences.`);
      const unseen = flags.unseen === undefined ? [] : await readScoreRows(flags.unseen);
      const rows: ScoreJob['rows'] = [...pairs.map(answerOf('chosen')), ...pairs.map(answerOf('rejected')), ...unseen];
      const diagnoses = await withEngine(async (engine) => {
        const score = async (policy: Policy): Promise<DiagnosedScores> => {
          const scores = await engine.run('score', { policy, rows });
          const [first, second] = [pairs.length, 2 * pairs.length];
          return { chosen: scores.slice(0, first), rejected: scores.slice(first, second), unseen: scores.slice(second) }; // prettier-ignore
        };
        const before = await score(reference);
        const made: Diagnosis[] = [];
        for (const adapter of adapters) made.push(diagnose(await score({ ...base, adapter }), before, beta));
        return made;
      });
      const named = diagnoses.map((diagnosis, i) => ({ adapter: flags.adapter[i], ...diagnosis }));
      summarize(flags, { beta, adapters: named }, tableOf(named));
    });
}

type Row = Awaited<ReturnType<typeof readPreferences>>[number];
type TokenizedRow = Extract<Row, { chosen_input_ids: number[] }>;
const isTokenized = (row: Row): row is TokenizedRow => 'prompt_input_ids' in row;

const answerOf =
  (role: 'chosen' | 'rejected') =>
  (row: Row): ScoreJob['rows'][number] =>
    isTokenized(row)
      ? { prompt_input_ids: row.prompt_input_ids, response_input_ids: row[`${role}_input_ids`] }
      : { prompt: row.prompt, tools: row.tools, response: row[role] };

const scale = ({ mean, sd }: Scale) => `${mean.toFixed(4)}${sd === undefined ? '' : ` ± ${sd.toFixed(4)}`}`;

function tableOf(diagnoses: (Diagnosis & { adapter: string })[]): string {
  const head = ['Adapter', 'Accuracy', 'Chosen', 'Rejected', 'Margin', 'Drift (nats/token)', 'Raised'];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const { adapter, accuracy, chosen, rejected, margin, drift } of diagnoses) {
    const unseen = drift ? [drift.perToken.toFixed(4), percent(drift.raised)] : ['', ''];
    table.push([adapter, percent(accuracy), scale(chosen), scale(rejected), scale(margin), ...unseen]);
  }
  return table.toString();
}
