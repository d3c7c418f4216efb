/** benchmark-mt-bench: two-turn answers of a policy, each rated from 1 to 10 by a judge (single-answer grading, arXiv 2306.05685). */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { MtBenchBenchmark } from '../../config/benchmarks.ts';
import { InputError } from '../../data/errors.ts';
import { conversationsOf, mtBenchResult, POLICY, promptsOfTurn } from '../../evaluation/benchmarks/mt-bench.ts';
import { MT_BENCH, readAnswers, readQuestions, type QuestionJudgement } from '../../evaluation/mt-bench/files.ts';
import { judgeAnswers, JUDGING } from '../../evaluation/mt-bench/judging.ts';
import { checkReferences, matchesOf } from '../../evaluation/mt-bench/matches.ts';
import { askEngine, askServer, type Ask } from '../../labelers/judge/ask.ts';
import { openLabelerModel } from '../../labelers/model.ts';
import { AnswerCache } from '../../openai/client/response-cache.ts';
import { toolsOf } from '../label-tools.ts';
import { importPrompts } from '../prompts/stored.ts';
import { readShards } from '../sample.ts';
import { defineStep, type StepContext } from '../step.ts';
import type { BenchmarkInput, BenchmarkKind, BenchmarkPrompts } from './benchmark.ts';

/** The part of a judge's settings that its judgements depend on. */
type JudgeParameters = Pick<MtBenchBenchmark['judge'], 'server' | 'model'> & {
  maxTokens: number;
  /** With a judge on the engine. */
  identity?: Record<string, unknown>;
  threads?: number;
};

const measure = defineStep({
  name: 'benchmark-mt-bench',
  kind: 'benchmark',
  reproducible: true,
  recipe: async ({ benchmark, responses, threads }: BenchmarkInput<'mt-bench'>, context) => ({
    parameters: { judge: await judgeParameters(benchmark.judge, threads, context) },
    inputs: { responses },
    seed: 0,
  }),
  computedWith: ({ parameters: { judge } }) => (judge.threads === undefined ? undefined : { threads: judge.threads }),
  run: async ({ parameters: { judge }, inputs }, { context, input, folder, options }) => {
    const { questions, answers, references } = conversationsOf(await readShards(context.store, inputs.responses));
    const matches = matchesOf(questions, answers, references);
    let judgements: QuestionJudgement[] = [];
    const save = async (rows: QuestionJudgement[]) => void (judgements = rows);
    const ask = await openJudge({ ...input?.benchmark.judge, ...judge }, context);
    await judgeAnswers({ name: judge.model, ask }, matches, { model: POLICY, known: [], save, ...options });
    await folder.writeRows('answers.jsonl', [...answers.values()]);
    await folder.writeRows('judgements.jsonl', judgements);
    return mtBenchResult(judgements, questions, matches.length);
  },
});

async function judgeParameters(
  { server, model, maxTokens = JUDGING.maxTokens }: MtBenchBenchmark['judge'],
  threads: number,
  context: StepContext,
): Promise<JudgeParameters> {
  if (server !== undefined) return { server, model, maxTokens };
  const { identity } = await openLabelerModel(model, toolsOf(context, { threads }));
  return { model, maxTokens, identity, threads };
}

/** @throws InputError when the model of a judge on the engine has changed since the step began */
async function openJudge(
  { server, identity, threads = 1, ...judge }: MtBenchBenchmark['judge'] & JudgeParameters,
  context: StepContext,
): Promise<Ask> {
  const { model, maxTokens, ...requests } = judge;
  if (server !== undefined) {
    const cache = new AnswerCache(join(context.cacheFolder, 'judge'));
    return askServer({ url: server, model, ...requests }, { ...JUDGING, maxTokens }, cache);
  }
  const found = await openLabelerModel(model, toolsOf(context, { threads }));
  if (!isDeepStrictEqual(found.identity, identity)) {
    throw new InputError(`The files of MT-Bench's judge ${model} have changed since it was asked: restore them.`);
  }
  return askEngine(context.engine, found.folder, maxTokens, threads);
}

export const mtBench: BenchmarkKind<'mt-bench'> = {
  readInputs: async (benchmark) => promptsOfTurn(await firstTurn(benchmark), 0).flatMap(({ prompts }) => prompts),
  async turn(context, { benchmark, responses }, options) {
    const isFirst = responses.length === 0;
    const asked = isFirst ? await firstTurn(benchmark) : conversationsOf(await readShards(context.store, responses));
    const sets: BenchmarkPrompts[] = [];
    for (const { temperature, prompts } of promptsOfTurn(asked, isFirst ? 0 : 1)) {
      const { address } = await importPrompts(context, { count: prompts.length, records: () => prompts }, options);
      sets.push({
        address,
        count: prompts.length,
        settings: { temperature, maxNewTokens: benchmark.maxNewTokens },
      });
    }
    return { sets, more: isFirst && asked.questions.some(({ turns }) => turns.length > 1) };
  },
  measure,
};

/** @throws InputError when a file cannot be read, or a question needs a reference answer and has none */
async function firstTurn({ questions: file, references: answers, limit }: MtBenchBenchmark) {
  const questions = (await readQuestions(file ?? MT_BENCH.questions)).slice(0, limit);
  const { answers: references } = await readAnswers(answers ?? MT_BENCH.references);
  checkReferences(questions, references);
  return { questions, answers: new Map(), references };
}
