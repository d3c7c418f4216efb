/** evaluate: a policy's answers against another's, by the labeler's scores. */
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import { InputError } from '../data/errors.ts';
import { writeJsonl } from '../data/jsonl.ts';
import type { SampledRecord } from '../data/records.ts';
import type { Labeler, Verdict } from '../labelers/labeler.ts';
import { createLabeler, type LabelSettings } from '../labelers/index.ts';
import { readLogps } from './score.ts';
import { readShards } from './sample.ts';
import { charactersOf } from '../data/annotations.ts';
import { bootstrapMean, mean, type Interval } from './statistics.ts';
import { lengthControlledWinRate } from './winrate/length-control.ts';
import { runStep, type Step, type StepResult } from './step.ts';

/** What one policy's answers are worth. */
export interface AnswerSummary {
  prompts: number;
  meanScore: number;
  /** Share of answers that follow every instruction, where the labeler says so. */
  strictPassRate?: number;
  meanTokens: number;
  meanCharacters: number;
}

/** One policy's answers beside another's to the same prompts. */
export interface Comparison extends AnswerSummary {
  against?: {
    opponent: AnswerSummary;
    wins: number;
    ties: number;
    losses: number;
    /** A tie counts half. */
    winRate: number;
    /** 95 % bootstrap interval of the win rate, over prompts. */
    winRateInterval: Interval;
    /** The win rate were the answers equally long (arXiv 2404.04475), with its interval. Absent for fewer than 5 prompts. */
    lengthControlled?: { winRate: number; interval: Interval };
    /**
     * Kullback-Leibler divergence from the opponent, in nats per answer and per token: the mean over the policy's own answers of
     * log pi(y) - log opponent(y). An estimate from samples; from greedy answers it is the log-ratio at the mode.
     */
    kl: number;
    klPerToken: number;
  };
}

/** Everything said of a prompt in a comparison. */
export interface ComparisonRow {
  id: string;
  prompt: SampledRecord['prompt'];
  answer: string;
  score: number;
  opponentAnswer?: string;
  opponentScore?: number;
}

export interface Opponent {
  answered: SampledRecord[];
  /** The log-probabilities of the policy's answers under the opponent, by prompt. */
  logps: number[][];
}

/**
 * Compares the first answers to each prompt.
 * @throws InputError when the two did not answer the same prompts
 */
export async function compare(
  labeler: Labeler,
  answered: SampledRecord[],
  opponent: Opponent | undefined,
  seed: number,
): Promise<{ comparison: Comparison; rows: ComparisonRow[] }> {
  const verdicts = await judgeFirst(labeler, answered);
  const own = summarize(answered, verdicts);
  const row = ({ id, prompt, responses }: SampledRecord, i: number) => ({ id, prompt, answer: responses[0].text, score: verdicts[i].score }); // prettier-ignore
  if (!opponent) return { comparison: own, rows: answered.map(row) };

  const other = opponent.answered;
  if (other.length !== answered.length || other.some(({ id }, i) => id !== answered[i].id)) {
    throw new InputError('The two policies did not answer the same prompts: sample both on one file.');
  }
  const otherVerdicts = await judgeFirst(labeler, other);
  const outcomes = verdicts.map(({ score }, i) => (Math.sign(score - otherVerdicts[i].score) + 1) / 2);
  const ratios = answered.map(({ responses }, i) => responses[0].logp - opponent.logps[i][0]);
  const tokens = answered.reduce((total, { responses }) => total + responses[0].token_ids.length, 0);
  const controlled = lengthControlledWinRate(
    outcomes.map((outcome, i) => ({
      outcome,
      modelLength: charactersOf(answered[i].responses[0].text),
      baselineLength: charactersOf(other[i].responses[0].text),
    })),
    seed,
  );
  const count = (outcome: number) => outcomes.filter((value) => value === outcome).length;
  const against = {
    opponent: summarize(other, otherVerdicts),
    wins: count(1),
    ties: count(0.5),
    losses: count(0),
    winRate: mean(outcomes),
    winRateInterval: bootstrapMean(outcomes, seed),
    ...(controlled && { lengthControlled: { winRate: controlled.winRate, interval: controlled.interval } }),
    kl: mean(ratios),
    klPerToken: ratios.reduce((total, ratio) => total + ratio, 0) / tokens,
  };
  const rows = answered.map((record, i) => ({
    ...row(record, i),
    opponentAnswer: other[i].responses[0].text,
    opponentScore: otherVerdicts[i].score,
  }));
  return { comparison: { ...own, against }, rows };
}

async function judgeFirst(labeler: Labeler, answered: SampledRecord[]): Promise<Verdict[]> {
  const verdicts = await labeler.judge(answered.map((prompt) => ({ prompt, answers: [prompt.responses[0].text] })));
  return verdicts.map(([verdict]) => verdict);
}

function summarize(answered: SampledRecord[], verdicts: Verdict[]): AnswerSummary {
  const first = answered.map(({ responses }) => responses[0]);
  return {
    prompts: answered.length,
    meanScore: mean(verdicts.map(({ score }) => score)),
    ...(verdicts.every(({ pass }) => pass !== undefined) && {
      strictPassRate: mean(verdicts.map(({ pass }) => Number(pass))),
    }),
    meanTokens: mean(first.map(({ token_ids }) => token_ids.length)),
    meanCharacters: mean(first.map(({ text }) => text.length)),
  };
}

export interface EvaluateInput {
  responses: Address[];
  opponent?: { responses: Address[]; logps: Address[] };
  label: LabelSettings;
  seed: number;
}

export const evaluate: Step<EvaluateInput, StepResult<Comparison>> = (rooms, { responses, opponent, label, seed }) => {
  const inputs = { responses, ...(opponent && { opponent: opponent.responses, logps: opponent.logps }) };
  return runStep(rooms, 'evaluation', { step: 'evaluate', parameters: label, inputs, seed }, async (folder) => {
    const other = opponent && {
      answered: await readShards(rooms.store, opponent.responses),
      logps: await readLogps(rooms.store, opponent.logps),
    };
    const answered = await readShards(rooms.store, responses);
    const { comparison, rows } = await compare(createLabeler(label), answered, other, seed);
    await writeJsonl(join(folder, 'answers.jsonl'), rows);
    return comparison;
  });
};
