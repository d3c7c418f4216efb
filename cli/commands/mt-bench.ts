import { rm } from 'node:fs/promises';
import { Command } from 'commander';
import { counted } from '../../data/counted.ts';
import { MT_BENCH_TOKENS } from '../../config/benchmarks.ts';
import { answerQuestions } from '../../evaluation/mt-bench/answers.ts';
import { judgeAnswers, type Judge } from '../../evaluation/mt-bench/judging.ts';
import { checkReferences, matchesOf, type Match } from '../../evaluation/mt-bench/matches.ts';
import { scoresOf, type ModelScores, type Score } from '../../evaluation/mt-bench/scores.ts';
import { InputError } from '../../data/errors.ts';
import { exists } from '../../data/file-errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import {
  MT_BENCH,
  readAnswers,
  readJudgements,
  readQuestions,
  type Question,
  type QuestionAnswer,
} from '../../evaluation/mt-bench/files.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { adviceOnCounts } from '../../labelers/advice.ts';
import { addJudge, judgeOf } from '../judging.ts';
import { checkOutputs } from '../output-files.ts';
import { showProgress } from '../progress.ts';
import { seedFlags, SettingsFlags, type GivenFlags } from '../settings.ts';
import { addChatTemplate, jsonOption, policyOf, summarize, withEngine } from '../step.ts';

/** The maximum answer length is FastChat's. */
const schema = samplingSchema.extend({
  maxNewTokens: samplingSchema.shape.maxNewTokens
    .unwrap()
    .default(MT_BENCH_TOKENS)
    .describe('Maximum length of an answer to a turn, in tokens.'),
});
const samplingFlags = new SettingsFlags(schema, { only: ['maxNewTokens', 'batchSize'] });

interface Flags {
  judgeModel?: string;
  server?: string;
  model?: string;
  adapter?: string;
  chatTemplate?: string;
  chatTemplateArguments?: string;
  name?: string;
  out?: string;
  answers?: string;
  judgements?: string;
  questions?: string;
  references?: string;
  json?: boolean;
}
type Given = Flags & GivenFlags;

/** `selm mt-bench`: MT-Bench on a policy's answers, or on answers from a file. */
export function mtBenchCommand(): Command {
  const command = addChatTemplate(new Command('mt-bench'))
    .description('MT-Bench (arXiv 2306.05685): two-turn answers, each rated from 1 to 10 by a judge, as in FastChat.')
    .option(
      '--model <folder|id>',
      'Base model that answers: a Hugging Face model folder, a hub id org/name[@revision], or a policy NAME@version.',
    )
    .option('--adapter <folder|name>', 'PEFT adapter of the model: a folder, or a policy NAME@version (selm policies).')
    .option('--name <name>', 'Name of the policy. Default: the value of --adapter, else of --model.')
    .option(
      '--out <file>',
      "File for the policy's answers in FastChat's model_answer format. Answers that it has are kept.",
    )
    .option('--answers <file>', "Answers of any model in FastChat's model_answer format, instead of a policy's.")
    .option(
      '--judgements <file>',
      "Judgements in FastChat's model_judgment format. New ones are added; the scores are those of all models in it.",
    )
    .option('--questions <file>', "Questions in FastChat's format. Default: the 80 questions of examples/mt-bench.")
    .option(
      '--references <file>',
      'Reference answers to questions on math, reasoning and coding, in the format of --answers. ' +
        'Default: those of GPT-4 in examples/mt-bench.',
    );
  samplingFlags.addTo(command);
  addJudge(command);
  seedFlags.addTo(command);
  return command.addOption(jsonOption()).action(async (flags: Given) => {
    checkFlags(flags);
    const { out, judgements: judged, answers, questions: asked, references: given, chatTemplate } = flags;
    checkOutputs({ '--out': out, '--judgements': judged }, [answers, asked, given, chatTemplate]);
    const { seed } = seedFlags.read(flags);
    const withJudge = judgeOf(flags);
    const questions = await readQuestions(flags.questions ?? MT_BENCH.questions);
    const references = withJudge && (await readAnswers(flags.references ?? MT_BENCH.references)).answers;
    if (references) checkReferences(questions, references);
    const answered = await answersOf(flags, questions, seed);
    const counts =
      withJudge && answered
        ? await withJudge((judge) =>
            judgeAll(flags.judgements!, judge, matchesOf(questions, answered.answers, references!), answered.model),
          )
        : {};
    const judgements = flags.judgements === undefined ? undefined : await readJudgements(flags.judgements);
    if (judgements?.length === 0) throw new InputError(['There is no judgement.', ...adviceOnCounts(counts)].join(' '));
    const scores = judgements ? scoresOf(judgements, questions, seed) : [];
    const sentences = [
      ...(flags.out === undefined
        ? []
        : [`${flags.out}: ${counted(answered!.answers.size, 'question')} answered by ${answered!.model}.`]),
      ...scores.map(describe),
      // `describe` counts the judgements without a rating over all models in the file.
      ...adviceOnCounts({ ...counts, unparsed: counts.truncatedJudgements ?? 0 }),
    ];
    const { refused = 0, truncatedJudgements, withoutTemperature } = counts;
    const summary = {
      ...(answered && { model: answered.model, answers: answered.answers.size }),
      scores,
      refused,
      ...(truncatedJudgements && { truncatedJudgements }),
      ...(withoutTemperature && { withoutTemperature }),
    };
    summarize(flags, summary, sentences.join('\n'));
  });
}

function checkFlags({ model, adapter, out, answers, server, judgeModel, judgements }: Flags): void {
  const problems: [boolean, string][] = [
    [model !== undefined && answers !== undefined, '--model and --answers are both given: give one of them'],
    [model === undefined && adapter !== undefined, '--adapter needs its base model: give --model'],
    [(model === undefined) !== (out === undefined), '--model and --out belong together: give both, or neither'],
    [server !== undefined && judgeModel === undefined, '--server needs the name of the judge: give --judge-model'],
    [
      judgeModel !== undefined && judgements === undefined,
      '--judge-model needs a file for its judgements: give --judgements',
    ],
    [
      judgeModel !== undefined && model === undefined && answers === undefined,
      'There is nothing to judge: give --model or --answers',
    ],
    [
      model === undefined && judgements === undefined,
      'There is nothing to do: give --model to answer the questions, --answers with --judge-model, or --judgements',
    ],
  ];
  const problem = problems.find(([found]) => found);
  if (problem) throw new InputError(`${problem[1]}.`);
}

interface Answered {
  model: string;
  answers: Map<number, QuestionAnswer>;
}

/** The answers from the file, and the policy's answers to the remaining questions. */
async function answersOf(flags: Given, questions: Question[], seed: number): Promise<Answered | undefined> {
  const { model: base, adapter, name, out, answers } = flags;
  if (answers !== undefined) return readAnswers(answers);
  if (base === undefined) return undefined;
  const settings = samplingFlags.read(flags);
  const policy = await policyOf({ ...flags, model: base });
  const model = name ?? adapter ?? base;
  const known = exists(out!) ? await readAnswers(out!) : { model, answers: new Map<number, QuestionAnswer>() };
  if (known.model !== model) {
    throw new InputError(`${out} has answers of "${known.model}"; give another file for those of "${model}".`);
  }
  const save = (rows: QuestionAnswer[]) => writeJsonl(out!, rows);
  const options = { model, settings, seed, known: known.answers, save };
  return { model, answers: await withEngine((engine) => answerQuestions(engine, policy, questions, options)) };
}

/**
 * Judges answers.
 * @param file the file of judgements
 * @returns the counts of `judgeAnswers`
 */
async function judgeAll(file: string, judge: Judge, matches: Match[], model: string): Promise<Record<string, number>> {
  const known = await readJudgements(file);
  // An empty file could not be read again.
  const save = (rows: object[]) => (rows.length > 0 ? writeJsonl(file, rows) : rm(file, { force: true }));
  const bar = showProgress('judge');
  try {
    return await judgeAnswers(judge, matches, { model, known, save, onProgress: bar.update });
  } finally {
    bar.stop();
  }
}

function describe({ model, judge, overall, turns, categories, unrated }: ModelScores): string {
  const ordinals: Record<string, string> = { 1: 'first turn', 2: 'second turn' };
  const missing = unrated > 0 ? `; ${counted(unrated, 'judgement')} without a rating` : '';
  return [
    `${model}, judged by ${judge}: ${rating(overall)} over ${overall.ratings} ratings${missing}`,
    ...Object.entries(turns).map(([turn, score]) => `  ${ordinals[turn]}: ${rating(score)}`),
    ...Object.entries(categories).map(([category, score]) => `  ${category}: ${rating(score)}`),
  ].join('\n');
}

const rating = ({ mean, interval: { low, high } }: Score) =>
  `${mean.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
