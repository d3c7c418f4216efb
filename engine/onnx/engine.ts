/** The engine itself: jobs as the host hands them over, run in this process. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { InputError, located } from '../../data/errors.ts';
import { readJsonl } from '../../data/jsonl.ts';
import { referenceLogpsSchema, type ReferenceLogps } from '../../data/records.ts';
import { toolsOf } from '../../data/tools.ts';
import { checkDevice } from './device.ts';
import { DivergenceMeter } from './divergence.ts';
import { JobAborted } from '../protocol/errors.ts';
import { Generator, type PromptTokens } from './generation/generate.ts';
import type { Generated } from './generation/seats.ts';
import type {
  DivergenceJob,
  DivergenceResult,
  EngineMethod,
  ExportJob,
  JobControl,
  JobOf,
  JudgeJob,
  NewTokens,
  OptimizeJob,
  Policy,
  ReferenceJob,
  ResultOf,
  RewardJob,
  SampleJob,
  SampleResult,
  ScoreJob,
  ScoreResult,
  SftJob,
  TokenScoreJob,
  TokenScores,
  TrainResult,
  Scores,
  ResponseDivergence,
} from '../protocol/jobs.ts';
import { CHAT_TEMPLATE } from '../tokenizer/chat-template-settings.ts';
import { checkSequenceLength } from '../model-files/config.ts';
import { ownTemplate } from '../tokenizer/template-files.ts';
import { freshAdapter, readAdapter, writeAdapter } from '../model-files/lora.ts';
import { mergeAdapter, writeModel } from './model/export.ts';
import { objectiveOf } from './objectives/index.ts';
import { openPolicy, type OpenPolicy } from './policy.ts';
import { Scorer } from './score.ts';
import { PairRm, scoresOf } from './rankers/pairrm.ts';
import { openRewardModel } from './rankers/reward.ts';
import { collectGarbage, SessionCache } from './sessions.ts';
import { Q8_ON_CPU, type Device } from '../protocol/settings.ts';
import { TokenScorer } from './token-scores.ts';
import { isAdapterChanged, isModelChanged } from './training/change.ts';
import { fingerprintOf } from './training/checkpoint.ts';
import { demonstrationTask } from './training/demonstration.ts';
import {
  examplesWithLogps,
  logpsByRole,
  preferenceExamples,
  preferenceTask,
  type PreferenceExample,
} from './training/preference.ts';
import { nothingLeft, type RowCounts } from '../../data/row-counts.ts';
import { tokenizePreferences, type TokenizedPreference } from '../tokens/preferences.ts';
import { train, type TrainingOptions } from './training/train.ts';
import { tokenizeDemonstration } from '../tokens/demonstrations.ts';
import { trainableAdapter, trainableModel } from './training/trainable.ts';
import type { Example, TrainingTask } from './training/task.ts';
import { checkIds } from '../tokens/checks.ts';
import { tokenizeResponse, type TokenizedResponse } from '../tokens/responses.ts';

const ALL_CORES = availableParallelism();

/** Prompts whose answers tell how far rounded weights are from the policy: some, since it takes two passes over them. */
const MEASURED_PROMPTS = 8;

const measured = (prompts: PromptTokens[], generated: Generated[][]) =>
  prompts
    .slice(0, MEASURED_PROMPTS)
    .flatMap(({ tokens }, i) => generated[i].map((sample) => ({ prompt: tokens, response: sample.tokens })));

/** How far the policy with 8-bit weights is from the policy, over all of the rows' tokens. */
async function quantizationDivergence(opened: OpenPolicy, rows: TokenizedResponse[], threads: number) {
  const meter = await DivergenceMeter.openQuantized(opened, threads);
  try {
    const measures = await meter.measure(rows);
    const total = (of: keyof ResponseDivergence) => measures.reduce((sum, measure) => sum + measure[of], 0);
    return { klPerToken: total('kl') / total('tokens'), tokens: total('tokens') };
  } finally {
    await meter.close();
  }
}

export class LocalEngine {
  private readonly sessions = new SessionCache();

  async run<M extends EngineMethod>(method: M, job: JobOf<M>, control: JobControl): Promise<ResultOf<M>> {
    const methods = {
      sample: (j: SampleJob) => this.sample(j, control),
      score: (j: ScoreJob) => this.score(j, control),
      divergence: (j: DivergenceJob) => this.divergence(j, control),
      reward: (j: RewardJob) => this.reward(j, control),
      rank: (j: JudgeJob) => this.rank(j, control),
      scoreTokens: (j: TokenScoreJob) => this.scoreEveryToken(j, control),
      reference: (j: ReferenceJob) => this.reference(j, control),
      optimize: (j: OptimizeJob) => this.optimize(j, control),
      sft: (j: SftJob) => this.sft(j, control),
      export: (j: ExportJob) => exportModel(j),
      check: ({ device }: { device: Device }) => checkDevice(device).then(() => null),
    };
    // Said at once, rather than where the first session is opened.
    if ('policy' in job && job.policy.device) await checkDevice(job.policy.device);
    return (await methods[method](job as never)) as ResultOf<M>;
  }

  async close(): Promise<void> {
    await this.sessions.clear();
  }

  private async sample(job: SampleJob, control: JobControl): Promise<SampleResult> {
    const { policy, prompts, settings, seed, reportTokensEvery, threads = ALL_CORES } = job;
    const opened = openPolicy(policy);
    if (settings.weights === 'q8' && opened.model.target.device !== 'cpu') throw new InputError(Q8_ON_CPU);
    const tokenizer = opened.tokenizer();
    const generator = await this.sessions.get('generator', JSON.stringify([policy, settings, threads]), async () => {
      // While its weights are packed they are in memory twice: nothing else is there beside them.
      await this.sessions.clear();
      collectGarbage();
      return Generator.open(opened, settings, tokenizer.eosIds, threads);
    });
    const tokenized = prompts.map((row) => ({
      id: row.id,
      tokens: located(`Prompt "${row.id}"`, () =>
        'prompt_input_ids' in row
          ? checkIds(opened.model, row.prompt_input_ids)
          : tokenizer.encodePrompt(row.prompt, toolsOf(row)),
      ),
    }));
    let sampledTokens = 0;
    const report = (done: number, tokens: number, newTokens: NewTokens[]) => {
      sampledTokens = tokens;
      const reported = reportTokensEvery !== undefined && { newTokens };
      control.onProgress({ done, total: prompts.length, unit: 'prompts', tokens, ...reported });
      if (control.aborted()) throw new JobAborted(`sampling was stopped after ${done} of ${prompts.length} prompts`);
    };
    const { isCancelled } = control;
    const generated = await generator.generate(tokenized, seed, report, { runTokens: reportTokensEvery, isCancelled });
    const divergence =
      settings.weights === 'q8'
        ? await quantizationDivergence(opened, measured(tokenized, generated), threads)
        : undefined;
    return {
      ...(divergence && { divergence }),
      responses: generated.map((samples, i) =>
        samples.map(({ tokens, logp, finishReason }) => ({
          text: tokenizer.decodeAnswer(tokenized[i].tokens, tokens),
          token_ids: tokens,
          finish_reason: finishReason,
          logp,
        })),
      ),
      promptIds: tokenized.map(({ tokens }) => tokens),
      sampledTokens,
    };
  }

  private async score(job: ScoreJob, control: JobControl): Promise<ScoreResult> {
    const opened = openPolicy(job.policy);
    const tokenized = job.rows.map((row, i) => located(`Row ${i + 1}`, () => tokenizeResponse(opened, row)));
    const logps = await this.scoreTokens(job, opened, tokenized, control);
    return tokenized.map(({ response, isPrefix }, i) => ({
      logp: logps[i],
      tokens: response.length,
      ...(!isPrefix && { isPrefix }),
    }));
  }

  private async divergence(job: DivergenceJob, control: JobControl): Promise<DivergenceResult> {
    const { policy, reference, threads = ALL_CORES } = job;
    const [opened, other] = [policy, { ...reference, device: policy.device }].map(openPolicy);
    const rows = job.rows.map((row, i) =>
      located(`Row ${i + 1}`, () => {
        const tokenized = tokenizeResponse(opened, row);
        checkSequenceLength(other.model.config, tokenized.prompt.length + tokenized.response.length);
        return tokenized;
      }),
    );
    const meter = await this.sessions.get('divergence', JSON.stringify([policy, reference, threads]), async () => {
      // Two models need the memory of two: nothing else stays open beside them.
      if (policy.model !== reference.model) await this.sessions.clear();
      return DivergenceMeter.open(opened, other, threads);
    });
    return meter.measure(rows, (done, tokens) => {
      control.onProgress({ done, total: rows.length, unit: 'rows', tokens });
      if (control.aborted()) throw new JobAborted(`the divergence was stopped after ${done} of ${rows.length} rows`);
    });
  }

  private async scoreEveryToken(job: TokenScoreJob, control: JobControl): Promise<TokenScores[][]> {
    const { policy, sequences, threads = ALL_CORES } = job;
    const opened = openPolicy(policy);
    for (const [i, ids] of sequences.entries()) {
      located(`Sequence ${i + 1}`, () => checkSequenceLength(opened.model.config, checkIds(opened.model, ids).length));
    }
    const scorer = await this.sessions.get('token scorer', JSON.stringify([policy, threads]), () =>
      TokenScorer.open(opened, threads),
    );
    const report = (done: number, tokens: number) => {
      control.onProgress({ done, total: sequences.length, unit: 'rows', tokens });
      if (control.aborted()) throw new JobAborted(`scoring was stopped after ${done} of ${sequences.length} sequences`);
    };
    return scorer.score(sequences, report, control.isCancelled);
  }

  private async scoreTokens(
    { policy, threads = ALL_CORES }: Pick<ScoreJob, 'policy' | 'threads'>,
    opened: OpenPolicy,
    rows: TokenizedResponse[],
    control: JobControl,
  ) {
    const scorer = await this.sessions.get('scorer', JSON.stringify([policy, threads]), () =>
      Scorer.open(opened, threads),
    );
    return scorer.score(rows, (done, tokens) => {
      control.onProgress({ done, total: rows.length, unit: 'rows', tokens });
      if (control.aborted()) throw new JobAborted(`scoring was stopped after ${done} of ${rows.length} rows`);
    });
  }

  private async reward(
    { model, rows, tooLong = 'cut', threads = ALL_CORES }: RewardJob,
    control: JobControl,
  ): Promise<Scores> {
    const opened = await this.sessions.get('reward', JSON.stringify([model, threads]), () =>
      openRewardModel(model, threads),
    );
    const total = rows.reduce((sum, { answers }) => sum + answers.length, 0);
    return opened.rewards(rows, tooLong, reporter(control, 'answers', total));
  }

  private async rank({ model, rows, threads = ALL_CORES }: JudgeJob, control: JobControl): Promise<Scores> {
    const opened = await this.sessions.get('rank', JSON.stringify([model, threads]), () => PairRm.open(model, threads));
    const total = rows.reduce((sum, { answers }) => sum + answers.length * (answers.length - 1), 0);
    const { logits, cut } = await opened.compare(rows, reporter(control, 'pairs', total));
    return { scores: logits.map(scoresOf), cut };
  }

  private async optimize(job: OptimizeJob, control: JobControl): Promise<TrainResult> {
    const opened = openPolicy(job.policy);
    const { referenceResponse, referencePolicy } = objectiveOf(job.objective);
    const { rows, counts } = await tokenizePreferences(opened, job.rows, job.training, referenceResponse);
    if (rows.length === 0 && counts.rows > 0) throw new InputError(nothingLeft(counts));
    const examples = await this.withReference(job, rows, referencePolicy, control);
    return this.train(job, opened, preferenceTask(examples, job.objective), counts, control);
  }

  private async withReference(
    { reference, threads }: OptimizeJob,
    rows: TokenizedPreference[],
    isNeeded: boolean,
    control: JobControl,
  ): Promise<PreferenceExample[]> {
    if (!isNeeded) return preferenceExamples(rows, async ({ length }) => new Float64Array(length));
    if ('logpFiles' in reference) {
      const files = await Promise.all(reference.logpFiles.map((file) => readJsonl(file, referenceLogpsSchema)));
      const logps = files.flat();
      if (logps.length !== rows.length) {
        throw new Error(
          `There are ${logps.length} rows of reference log-probabilities for ${rows.length} preferences.`,
        );
      }
      return examplesWithLogps(rows, logps);
    }
    return preferenceExamples(rows, (responses) =>
      this.scoreTokens({ policy: reference, threads }, openPolicy(reference), responses, control),
    );
  }

  /** The reference response is scored where a row has one, whether or not the objective will look at it. */
  private async reference(job: ReferenceJob, control: JobControl): Promise<ReferenceLogps[]> {
    const opened = openPolicy(job.policy);
    const { rows } = await tokenizePreferences(opened, job.rows, job.limits, false, job);
    const examples = await preferenceExamples(rows, (responses) => this.scoreTokens(job, opened, responses, control));
    return examples.map(logpsByRole);
  }

  private async sft(job: SftJob, control: JobControl): Promise<TrainResult> {
    const opened = openPolicy(job.policy);
    const rows = job.rows.map((row, i) =>
      located(`Row ${i + 1}`, () => tokenizeDemonstration(opened, row, job.training)),
    );
    const examples = rows.map(({ tokens: { prompt, response, trained } }) => ({
      group: { prompt, responses: [response], ...(trained && { trained: [trained] }) },
    }));
    const counts = {
      rows: rows.length,
      truncated: rows.filter(({ isTruncated }) => isTruncated).length,
      equal: 0,
      promptTooLong: 0,
      promptNotPrefix: rows.filter(({ isPrefix }) => !isPrefix).length,
    };
    return this.train(job, opened, demonstrationTask(examples), counts, control);
  }

  private async train<E extends Example>(
    job: OptimizeJob | SftJob,
    opened: OpenPolicy,
    task: TrainingTask<E>,
    rows: RowCounts,
    control: JobControl,
  ): Promise<TrainResult> {
    const { model } = opened;
    if (task.examples.length === 0) throw new InputError('There is nothing to train on: the data has no rows.');
    if (existsSync(job.outDir) && readdirSync(job.outDir).length > 0) {
      throw new InputError(`${job.outDir} is not empty: give a new folder for the trained policy.`);
    }
    if (job.training.full && opened.adapter) {
      throw new InputError(
        `Training all weights starts from a model without an adapter: merge ${job.policy.adapter} into it first (selm export).`,
      );
    }
    // What training holds is the most the engine ever needs: nothing else stays open beside it.
    await this.sessions.clear();
    const { adapter: given } = job.policy;
    const startAdapter = () =>
      given === undefined ? freshAdapter(model.config, job.training.lora, job.seed) : readAdapter(given, model.config);
    const adapter = job.training.full ? undefined : startAdapter();
    const trainable = adapter ? trainableAdapter(model, adapter) : trainableModel(model);
    const { outDir, checkpoint, policy, training, seed, threads = ALL_CORES } = job;
    const options: TrainingOptions = {
      settings: training,
      seed,
      threads,
      ...(checkpoint && {
        checkpoint: {
          ...checkpoint,
          // No path is in it: another machine goes on. The examples stand for rows, tokenizer and reference policy.
          fingerprint: fingerprintOf(trainable.values, [
            training,
            seed,
            'objective' in job && job.objective,
            threads,
            ...(model.target.device === 'cpu' ? [] : [model.target]),
            ...task.examples,
          ]),
        },
      }),
      ...control,
    };
    const result = await train(model, trainable, task, options);
    if (adapter) await writeAdapter(outDir, { ...adapter, baseModel: policy.model });
    else await writeModel(outDir, policy.model, trainable.values);
    writeTemplate(outDir, policy);
    const changed = adapter
      ? isAdapterChanged(model, startAdapter(), adapter)
      : isModelChanged(model, trainable.values);
    return { ...result, rows, unchanged: !changed };
  }
}

/** Tells of a judging after each pass, and ends it when it is no longer wanted. */
function reporter({ onProgress, aborted }: JobControl, unit: 'answers' | 'pairs', total: number) {
  return (done: number, tokens: number) => {
    onProgress({ done, total, unit, tokens });
    if (aborted()) throw new JobAborted(`judging was stopped after ${done} of ${total} ${unit}`);
  };
}

/** A policy with a template of its own takes it along. */
function writeTemplate(folder: string, { model, chatTemplate }: Policy): void {
  const template = ownTemplate(model, chatTemplate);
  if (template !== undefined) writeFileSync(join(folder, CHAT_TEMPLATE), template);
}

async function exportModel({ policy, outDir }: ExportJob): Promise<null> {
  const opened = openPolicy(policy);
  await writeModel(outDir, policy.model, await mergeAdapter(opened.model, opened.adapter));
  writeTemplate(outDir, policy);
  return null;
}
