import { Command } from 'commander';
import { z } from 'zod';
import { counted } from '../../data/counted.ts';
import { diagnose, type DiagnosedScores, type Diagnosis, type Scale } from '../../evaluation/diagnose.ts';
import { InputError, located } from '../../data/errors.ts';
import { readPreferences, readScoreRows } from '../../data/readers.ts';
import type { PreferenceRecord, TokenizedScoreRecord } from '../../data/records.ts';
import { templateFields } from '../../data/template-inputs.ts';
import type { Policy, ScoreJob } from '../../engine/protocol/jobs.ts';
import { contextLength } from '../../engine/model-files/config.ts';
import { openPolicyFiles } from '../../engine/tokens/policy.ts';
import { checkTokens, isOpen } from '../../engine/tokens/preferences.ts';
import { objectiveFields, objectiveSchema } from '../../engine/protocol/settings.ts';
import { adapterFolder } from '../names.ts';
import { percent } from '../../data/numbers.ts';
import { SettingsFlags, type GivenFlags } from '../settings.ts';
import {
  addChatTemplate,
  describeNonPrefix,
  jsonOption,
  policyOf,
  summarize,
  warnOfIgnored,
  withEngine,
  type PolicyFlags,
} from '../step.ts';
import { terminalTable } from '../table.ts';
import { encodeResponse } from '../../engine/tokens/responses.ts';

const { beta } = objectiveFields.shape;
/** beta with the default of the default objective. */
const rewardFlags = new SettingsFlags(
  z.strictObject({
    beta: beta.unwrap().default(objectiveSchema.parse({}).beta).describe('Factor of the rewards.'),
  }),
);

interface Flags extends Omit<PolicyFlags, 'adapter'> {
  adapter: string[];
  referenceAdapter?: string;
  preferences: string;
  unseen?: string;
  json?: boolean;
}

/** `selm diagnose`: the implicit rewards of one or several adapters, side by side. */
export function diagnoseCommand(): Command {
  const command = addChatTemplate(new Command('diagnose'))
    .description("Accuracy, scale and drift of a policy's implicit reward, beta (log pi - log pi_ref).")
    .requiredOption('--model <folder|id>', 'The base model: a folder, or hub id org/name[@revision].')
    .requiredOption('--adapter <folder|name...>', 'The adapters to diagnose: folders, or policies NAME@version.')
    .option('--reference-adapter <folder|name>', 'Adapter of the reference policy. Default: the base model alone.')
    .requiredOption('--preferences <file>', 'Held-out preferences: texts, or token ids.')
    .option(
      '--unseen <file>',
      'Responses without a label, to measure the drift: rows {prompt, response}, or token ids.',
    );
  return rewardFlags
    .addTo(command)
    .addOption(jsonOption())
    .action(async (flags: Flags & GivenFlags) => {
      const { beta } = rewardFlags.read(flags);
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
        const diagnosed: Diagnosis[] = [];
        for (const adapter of adapters) diagnosed.push(diagnose(await score({ ...base, adapter }), before, beta));
        return diagnosed;
      });
      const named = diagnoses.map((diagnosis, i) => ({ adapter: flags.adapter[i], ...diagnosis }));
      summarize(
        flags,
        { beta, rows: pairs.length, dropped, non_prefix_rows: nonPrefix, adapters: named },
        [diagnosisTable(named), ...describeSkipped(dropped, limit), describeNonPrefix(nonPrefix).trim()]
          .filter(Boolean)
          .join('\n'),
      );
    });
}

type Row = Awaited<ReturnType<typeof readPreferences>>['rows'][number];

/** A response, with its sampled tokens if the row has them. */
function answerOf(role: 'chosen' | 'rejected', row: Row): ScoreRow {
  const { prompt, ...rest } = row as PreferenceRecord;
  const ids = rest[`${role}_input_ids`];
  const promptIds = rest[`${role}_prompt_input_ids`] ?? rest.prompt_input_ids;
  if (ids && promptIds) return { prompt_input_ids: promptIds, response_input_ids: ids };
  return { prompt, response: rest[role], ...templateFields(rest) };
}

type ScoreRow = ScoreJob['rows'][number];

/**
 * The rows' tokens, without rows that exceed the model's context.
 * @throws InputError that names the row that cannot be read; also when no pair is left
 */
async function readRows({ preferences, unseen: file }: Flags, base: Policy) {
  const policy = openPolicyFiles(base);
  const limit = contextLength(policy.model.config);
  let nonPrefix = 0;
  const encode = (where: string, row: ScoreRow, open = () => false): TokenizedScoreRecord | undefined => {
    const { prompt, response, isPrefix } = located(where, () => encodeResponse(policy, row, open()));
    if (prompt.length + response.length > limit) return undefined;
    nonPrefix += Number(!isPrefix);
    return { prompt_input_ids: prompt, response_input_ids: response };
  };
  const { rows, numbers, counts } = await readPreferences(preferences);
  checkTokens(rows, numbers, policy.tokenizer);
  const pairs = rows.flatMap((row, i) => {
    const [chosen, rejected] = (['chosen', 'rejected'] as const).map((role) => {
      const answer = answerOf(role, row);
      return encode(`Row ${numbers[i]}`, answer, () => 'response' in answer && isOpen(row as PreferenceRecord, role));
    });
    return chosen && rejected ? [{ chosen, rejected }] : [];
  });
  if (pairs.length === 0) {
    throw new InputError(
      `All preferences of ${preferences} are longer than the ${limit} tokens of the model's context: shorten them.`,
    );
  }
  const answers = file === undefined ? [] : await readScoreRows(file);
  warnOfIgnored(base, [...rows, ...answers]);
  const unseen = answers.flatMap((row, i) => encode(`Row ${i + 1} of ${file}`, row) ?? []);
  const dropped = {
    equal: counts.equal,
    tooLong: rows.length - pairs.length,
    unseenTooLong: answers.length - unseen.length,
  };
  return { pairs, unseen, dropped, nonPrefix, limit };
}

/** The skipped rows: a sentence for each reason. */
function describeSkipped({ equal, tooLong, unseenTooLong }: Record<string, number>, limit: number): string[] {
  const long = `longer than the ${limit} tokens of the model's context`;
  return [
    ...(equal > 0 ? [`Dropped ${counted(equal, 'row')} with equal chosen and rejected responses.`] : []),
    ...(tooLong > 0 ? [`Dropped ${counted(tooLong, 'row')} with a response that is, after its prompt, ${long}.`] : []),
    ...(unseenTooLong > 0 ? [`Dropped ${counted(unseenTooLong, 'row')} of --unseen, ${long}.`] : []),
  ];
}

const scale = ({ mean, sd }: Scale) => `${mean.toFixed(4)}${sd === undefined ? '' : ` ± ${sd.toFixed(4)}`}`;

function diagnosisTable(diagnoses: (Diagnosis & { adapter: string })[]): string {
  const head = ['Adapter', 'Accuracy', 'Chosen', 'Rejected', 'Margin', 'Drift (nats/token)', 'Raised'];
  const rows = diagnoses.map(({ adapter, accuracy, chosen, rejected, margin, drift }) => {
    const unseen = drift ? [drift.perToken.toFixed(4), percent(drift.raised)] : ['', ''];
    return [adapter, percent(accuracy), scale(chosen), scale(rejected), scale(margin), ...unseen];
  });
  return terminalTable(rows, { head });
}
