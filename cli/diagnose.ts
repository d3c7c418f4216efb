import Table from 'cli-table3';
import { Command } from 'commander';
import { diagnose, type DiagnosedScores, type Diagnosis, type Scale } from '../evaluation/diagnose.ts';
import { InputError, located } from '../data/errors.ts';
import { readPreferences, readScoreRows } from '../data/readers.ts';
import type { PreferenceRecord, TokenizedScoreRecord } from '../data/records.ts';
import type { Policy, ScoreJob } from '../engine/protocol/jobs.ts';
import { contextLength } from '../engine/model-files/config.ts';
import { openPolicyFiles } from '../engine/tokens/policy.ts';
import { checkTokens } from '../engine/tokens/preferences.ts';
import { objectiveSchema } from '../engine/protocol/settings.ts';
import { adapterFolder } from './names.ts';
import { percent } from './numbers.ts';
import { readSettings } from './settings.ts';
import {
  addChatTemplate,
  describeNonPrefix,
  jsonOption,
  policyOf,
  summarize,
  warnOfTools,
  withEngine,
  type PolicyFlags,
} from './step.ts';
import { encodeResponse } from '../engine/tokens/responses.ts';

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
      const { pairs, unseen, dropped, nonPrefix, limit } = await readRows(flags, base);
      const rows = [...pairs.map(({ chosen }) => chosen), ...pairs.map(({ rejected }) => rejected), ...unseen];
      const diagnoses = await withEngine(async (engine) => {
        const score = async (policy: Policy): Promise<DiagnosedScores> => {
          const scores = await engine.run('score', { policy, rows });
          const [first, second] = [pairs.length, 2 * pairs.length];
          return {
            chosen: scores.slice(0, first),
            rejected: scores.slice(first, second),
            unseen: scores.slice(second),
          };
        };
        const before = await score(reference);
        const made: Diagnosis[] = [];
        for (const adapter of adapters) made.push(diagnose(await score({ ...base, adapter }), before, beta));
        return made;
      });
      const named = diagnoses.map((diagnosis, i) => ({ adapter: flags.adapter[i], ...diagnosis }));
      summarize(
        flags,
        { beta, rows: pairs.length, dropped, non_prefix_rows: nonPrefix, adapters: named },
        [tableOf(named), ...describeDropped(dropped, limit), describeNonPrefix(nonPrefix).trim()]
          .filter(Boolean)
          .join('\n'),
      );
    });
}

type Row = Awaited<ReturnType<typeof readPreferences>>['rows'][number];

/** A response with the tokens that it was sampled as, where the row has them. */
function answerOf(role: 'chosen' | 'rejected', row: Row): ScoreRow {
  const { prompt, tools, ...rest } = row as PreferenceRecord;
  const ids = rest[`${role}_input_ids`];
  const promptIds = rest[`${role}_prompt_input_ids`] ?? rest.prompt_input_ids;
  if (ids && promptIds) return { prompt_input_ids: promptIds, response_input_ids: ids };
  return { prompt, response: rest[role], ...(tools !== undefined && { tools }) };
}

type ScoreRow = ScoreJob['rows'][number];

/**
 * The rows' tokens, without those that the model cannot take.
 * @throws InputError that names the row that cannot be read; also when no pair is left
 */
async function readRows({ preferences, unseen: file }: Flags, base: Policy) {
  const policy = openPolicyFiles(base);
  const limit = contextLength(policy.model.config);
  let nonPrefix = 0;
  const encode = (place: string, row: ScoreRow): TokenizedScoreRecord | undefined => {
    const { prompt, response, isPrefix } = located(place, () => encodeResponse(policy, row));
    if (prompt.length + response.length > limit) return undefined;
    nonPrefix += Number(!isPrefix);
    return { prompt_input_ids: prompt, response_input_ids: response };
  };
  const { rows, numbers, counts } = await readPreferences(preferences);
  checkTokens(rows, numbers, policy.tokenizer);
  const pairs = rows.flatMap((row, i) => {
    const [chosen, rejected] = (['chosen', 'rejected'] as const).map((role) =>
      encode(`Row ${numbers[i]}`, answerOf(role, row)),
    );
    return chosen && rejected ? [{ chosen, rejected }] : [];
  });
  if (pairs.length === 0) {
    throw new InputError(
      `All preferences of ${preferences} are longer than the ${limit} tokens that the model can take: shorten them.`,
    );
  }
  const answers = file === undefined ? [] : await readScoreRows(file);
  warnOfTools(base, [...rows, ...answers]);
  const unseen = answers.flatMap((row, i) => encode(`Row ${i + 1} of ${file}`, row) ?? []);
  const dropped = {
    equal: counts.equal,
    tooLong: rows.length - pairs.length,
    unseenTooLong: answers.length - unseen.length,
  };
  return { pairs, unseen, dropped, nonPrefix, limit };
}

const counted = (count: number) => `${count} ${count === 1 ? 'row' : 'rows'}`;

/** The rows that are left out, a sentence for each reason. */
function describeDropped({ equal, tooLong, unseenTooLong }: Record<string, number>, limit: number): string[] {
  const long = `longer than the ${limit} tokens that the model can take`;
  return [
    ...(equal > 0 ? [`Dropped ${counted(equal)} with equal chosen and rejected responses.`] : []),
    ...(tooLong > 0 ? [`Dropped ${counted(tooLong)} with a response that is, after its prompt, ${long}.`] : []),
    ...(unseenTooLong > 0 ? [`Dropped ${counted(unseenTooLong)} of --unseen, ${long}.`] : []),
  ];
}

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
