import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { counted } from '../../data/counted.ts';
import { measureDivergence, type Divergence } from '../../evaluation/divergence.ts';
import { compare, judgedAnswers, type Comparison } from '../../evaluation/comparison.ts';
import { countTrainedOn } from '../../activities/prompts/trained-on.ts';
import { usedPrompts } from '../../activities/prompts/used.ts';
import { isFromRun, releasesBehind } from '../../activities/release.ts';
import { sampledRows } from '../../activities/sample.ts';
import { measuringSchema } from '../../config/run/evaluate.ts';
import { InputError } from '../../data/errors.ts';
import { readPrompts } from '../../data/prompts.ts';
import { toJson } from '../../data/exact-json.ts';
import { readAnswered } from '../../data/readers.ts';
import type { Engine, Policy } from '../../engine/protocol/jobs.ts';
import { samplingSchema, type SamplingSettings } from '../../engine/protocol/settings.ts';
import { loadTokenizer } from '../../engine/tokenizer/tokenizer.ts';
import type { AnsweredRecord, PromptRecord, SampledRecord } from '../../data/records.ts';
import { firstAnswers } from '../../labelers/labels.ts';
import { isComparative } from '../../labelers/needs.ts';
import { openStore } from '../../workers/store.ts';
import { addLabeler, labelerOf, openLabeler, type LabelerFlags } from '../labeling.ts';
import { percent, percentInterval } from '../../data/numbers.ts';
import { checkOutputs } from '../output-files.ts';
import { seedFlags, SettingsFlags } from '../settings.ts';
import {
  addPolicy,
  computeFlags,
  computeOf,
  jsonOption,
  policyOf,
  summarize,
  warnOfIgnored,
  withEngine,
  type PolicyFlags,
} from '../step.ts';

const measuringFlags = new SettingsFlags(measuringSchema);

interface Flags extends PolicyFlags, LabelerFlags {
  prompts: string;
  againstAdapter?: string;
  againstBase?: boolean;
  against?: string;
  out: string;
  json?: boolean;
}

/** `selm evaluate`: score a policy's greedy responses, and optionally compare them with another policy's. */
export function evaluateCommand(): Command {
  const command = new Command('evaluate').description(
    "Score a policy's greedy responses, alone or compared with another's.",
  );
  addPolicy(command);
  command.requiredOption('--prompts <file|id>', 'Held-out prompts: a JSON Lines or Parquet file, or a hub data set.');
  addLabeler(command)
    .addOption(
      new Option(
        '--against-adapter <folder|name>',
        'Compare with this adapter of the same model: a folder, or a policy NAME@version.',
      ).conflicts('againstBase'),
    )
    .option('--against-base', 'Compare with the model without an adapter.')
    .addOption(
      new Option(
        '--against <file>',
        'Compare with these responses: rows of selm sample, or rows {id or prompt, response}.',
      ).conflicts(['againstBase', 'againstAdapter']),
    )
    .requiredOption('--out <file>', 'JSON file for {summary, answers}.');
  for (const group of [measuringFlags, seedFlags, computeFlags]) group.addTo(command);
  return command.addOption(jsonOption()).action(async (flags: Flags) => {
    checkOutputs({ '--out': flags.out }, [flags.prompts, flags.against, flags.labelConfig, flags.chatTemplate]);
    const { klSamples, ...greedy } = measuringFlags.read(flags);
    const settings = samplingSchema.parse(greedy);
    const { seed } = seedFlags.read(flags);
    const compute = computeOf(flags);
    const policy = await policyOf(flags);
    if (flags.againstBase && policy.adapter === undefined) {
      throw new InputError('--against-base compares an adapter with its model: give --adapter.');
    }
    const other = await otherPolicy(policy, flags);
    if (klSamples > 0 && !other) {
      throw new InputError(
        '--kl-samples measures the KL divergence from another policy: give --against-adapter or --against-base.',
      );
    }
    const label = labelerOf(flags);
    const prompts = await readPrompts(flags.prompts);
    warnOfIgnored(policy, prompts);
    await warnOfTrainedOn(flags, policy, prompts);
    const given = flags.against === undefined ? undefined : await answersTo(prompts, flags.against);
    const answer = async (engine: Engine, who: Policy, way: Partial<SamplingSettings> = {}) => {
      const job = { policy: who, prompts, settings: { ...settings, ...way }, seed };
      return sampledRows(prompts, await engine.run('sample', job));
    };
    const { comparison, rows } = await withEngine(async (engine, options) => {
      const judge = await openLabeler(label, engine, prompts, compute);
      const judged = async (answered: AnsweredRecord[], against?: AnsweredRecord[]) => {
        const { labels } = await judge(
          answered.map((row, i) => firstAnswers(row, against?.[i])),
          options,
        );
        return labels;
      };
      const answered = await answer(engine, policy);
      if (!other && !given) return compare(judgedAnswers(answered, await judged(answered)), undefined, seed);
      const measure = async (of: SampledRecord[]) =>
        other && (await measureDivergence(engine, { policy, reference: other, ...compute }, of, options));
      const divergences = await measure(answered);
      const sampledDivergences =
        klSamples > 0
          ? await measure(await answer(engine, policy, { samplesPerPrompt: klSamples, temperature: 1 }))
          : undefined;
      const opposed = other ? await answer(engine, other) : given!;
      const together = isComparative(label) ? await judged(answered, opposed) : undefined;
      const opponent = {
        judged: judgedAnswers(opposed, together ?? (await judged(opposed)), together ? 1 : 0),
        ...(divergences && { divergences }),
        ...(sampledDivergences && { sampledDivergences }),
      };
      return compare(judgedAnswers(answered, together ?? (await judged(answered))), opponent, seed);
    });
    await writeFile(flags.out, `${toJson({ summary: comparison, answers: rows }, 2)}\n`);
    summarize(flags, { ...comparison, out: flags.out }, `${flags.out}: ${describeComparison(comparison)}`);
  });
}

/** Warns about prompts that the runs behind a released policy have trained on. */
async function warnOfTrainedOn(flags: Flags, policy: Policy, prompts: PromptRecord[]): Promise<void> {
  if (!(await isFromRun(flags))) return;
  const store = await openStore();
  const used = await usedPrompts(store, await releasesBehind(store, flags));
  // Without such prompts, none is tokenized.
  if (used.length === 0) return;
  const tokenizer = loadTokenizer(policy.model, policy.chatTemplate);
  const trainedOn = await countTrainedOn(tokenizer, { prompts, file: flags.prompts, used });
  if (trainedOn === 0) return;
  console.error(
    `selm: warning: the policy's runs have trained on ${trainedOn} of the ${prompts.length} prompts of ${flags.prompts}: ` +
      'the results are not those of held-out prompts.',
  );
}

/** Reads responses from a file: in the order of the prompts, with the prompts' fields, which labelers read. */
async function answersTo(prompts: PromptRecord[], file: string): Promise<AnsweredRecord[]> {
  const given = new Map((await readAnswered(file)).map((row) => [row.id, row]));
  return prompts.map((prompt) => {
    const row = given.get(prompt.id);
    if (!row) throw new InputError(`${file} has no response to the prompt "${prompt.id}"; give one for every prompt.`);
    return { ...prompt, responses: row.responses };
  });
}

async function otherPolicy(policy: Policy, flags: Flags): Promise<Policy | undefined> {
  if (flags.againstAdapter !== undefined) return policyOf({ ...flags, adapter: flags.againstAdapter });
  if (!flags.againstBase) return undefined;
  const { adapter: _, ...base } = policy;
  return base;
}

function describeComparison({ prompts, unjudged, meanScore, strictPassRate, against }: Comparison): string {
  const without = unjudged ? ` (${unjudged} without a score)` : '';
  const strict = strictPassRate === undefined ? '' : `, ${percent(strictPassRate)} strict`;
  const alone = `mean score ${meanScore.toFixed(3)}${strict} on ${counted(prompts, 'prompt')}${without}`;
  if (!against) return `${alone}.`;
  const { low, high } = against.winRateInterval;
  const { lengthControlled } = against;
  const controlled = lengthControlled
    ? `, length-controlled ${percent(lengthControlled.winRate)} ${percentInterval(lengthControlled.interval)}`
    : '';
  const kl = against.kl === undefined ? '' : `, ${describeKl(against as Divergence)}`;
  const sampled = against.klSampled ? `, of sampled responses ${describeKl(against.klSampled)}` : '';
  const left = against.unjudged
    ? `, without ${counted(against.unjudged, 'prompt')} of which a response has no score`
    : '';
  return `${alone}; win rate ${percent(against.winRate)} (95 % interval ${percent(low)} to ${percent(high)}${left})${controlled}${kl}${sampled}.`;
}

const describeKl = ({ kl, klInterval: { low, high }, klPerToken }: Divergence) =>
  `KL ${kl.toFixed(2)} nats per response [${low.toFixed(2)}, ${high.toFixed(2)}], ${klPerToken.toFixed(4)} per token`;
