/** Compares the responses of two policies by the labeler's scores. */
import { charactersOf } from '../data/characters.ts';
import { contentOf } from '../data/conversation.ts';
import { InputError } from '../data/errors.ts';
import type { AnsweredRecord, LabelRecord, SampledRecord } from '../data/records.ts';
import type { Verdict } from '../labelers/labeler.ts';
import { verdictOn } from '../labelers/labels.ts';
import { summarizeVerdicts } from '../labelers/preferences.ts';
import { divergenceOf, type Divergence, type DivergenceRow } from './divergence.ts';
import { mean } from '../data/numbers.ts';
import { bootstrapMean, type Interval } from './statistics.ts';
import { lengthControlledWinRate } from './winrate/length-control.ts';

/** Scores and lengths of one policy's responses. */
export interface AnswerSummary {
  prompts: number;
  /** Responses without a score, which are excluded from all means. Absent if there are none. */
  unjudged?: number;
  meanScore: number;
  /** Share of responses that follow every instruction, from labelers that check this. */
  strictPassRate?: number;
  meanTokens: number;
  meanCharacters: number;
}

/** Summary of a policy's responses, and their comparison with an opponent's responses to the same prompts. */
export interface Comparison extends AnswerSummary {
  against?: {
    /** Without `meanTokens` if its responses come from a file. */
    opponent: Omit<AnswerSummary, 'meanTokens'> & { meanTokens?: number };
    wins: number;
    ties: number;
    losses: number;
    /** Prompts that are not compared because one of the responses has no score. Absent if there are none. */
    unjudged?: number;
    /** The mean difference of the scores to the opponent's, over the other prompts. Given with `unjudged`: else the means' difference. */
    meanGain?: number;
    /** A tie counts half. */
    winRate: number;
    /** 95% bootstrap interval of the win rate, over prompts. */
    winRateInterval: Interval;
    /** The length-controlled win rate (arXiv 2404.04475), with its interval. Absent for fewer than 5 prompts. */
    lengthControlled?: { winRate: number; interval: Interval };
    /**
     * KL(policy || opponent) over the whole vocabulary, summed over the tokens of the policy's greedy responses. Absent if the
     * opponent's responses come from a file.
     */
    kl?: number;
    klPerToken?: number;
    klInterval?: Interval;
    /** The same along responses sampled at temperature 1: an unbiased estimate of the KL divergence of the distributions. */
    klSampled?: Divergence;
  };
}

/** A prompt in a comparison. */
export interface ComparisonRow {
  id: string;
  prompt: SampledRecord['prompt'];
  answer: string;
  score?: number;
  opponentAnswer?: string;
  opponentScore?: number;
}

/** A prompt with a policy's responses, and the labeler's verdict on the first one. */
export interface JudgedAnswer<R extends AnsweredRecord = SampledRecord> {
  record: R;
  verdict: Verdict;
}

/** The responses that a policy is compared with. */
export interface Opponent {
  judged: JudgedAnswer<AnsweredRecord>[];
  /** KL(policy || opponent) by prompt, if the opponent is a policy: along greedy responses, and along sampled ones. */
  divergences?: DivergenceRow[];
  sampledDivergences?: DivergenceRow[];
}

/**
 * Compares the responses to each prompt. A response without a score is counted and excluded from wins, losses and means.
 * @param seed of the bootstrap
 * @throws InputError when the two did not answer the same prompts, or no response has a score
 */
export function compare(
  judged: JudgedAnswer[],
  opponent: Opponent | undefined,
  seed: number,
): { comparison: Comparison; rows: ComparisonRow[] } {
  const own = {
    ...summarize(judged),
    meanTokens: mean(judged.map(({ record }) => record.responses[0].token_ids.length)),
  };
  const row = ({ record: { id, prompt, responses }, verdict }: JudgedAnswer) => ({
    id,
    prompt,
    answer: responses[0].text,
    ...scoreOf('score', verdict),
  });
  if (!opponent) return { comparison: own, rows: judged.map(row) };

  const other = opponent.judged;
  if (other.length !== judged.length || other.some(({ record }, i) => record.id !== judged[i].record.id)) {
    throw new InputError('The two policies did not answer the same prompts: sample both on one file.');
  }
  const compared = judged.flatMap(({ record, verdict }, i) => {
    const gain = gainOf(verdict, other[i].verdict);
    if (gain === undefined) return [];
    const lengths = { modelLength: lengthOf(record), baselineLength: lengthOf(other[i].record) };
    return { gain, outcome: (Math.sign(gain) + 1) / 2, ...lengths };
  });
  if (compared.length === 0) throw new InputError(NOTHING_JUDGED);
  const outcomes = compared.map(({ outcome }) => outcome);
  const controlled = lengthControlledWinRate(compared, seed);
  const count = (outcome: number) => outcomes.filter((value) => value === outcome).length;
  const unjudged = judged.length - outcomes.length;
  const against = {
    opponent: summarize(other),
    wins: count(1),
    ties: count(0.5),
    losses: count(0),
    ...(unjudged > 0 && { unjudged, meanGain: mean(compared.map(({ gain }) => gain)) }),
    winRate: mean(outcomes),
    winRateInterval: bootstrapMean(outcomes, seed),
    ...(controlled && { lengthControlled: { winRate: controlled.winRate, interval: controlled.interval } }),
    ...(opponent.divergences && divergenceOf(opponent.divergences, seed)),
    ...(opponent.sampledDivergences && { klSampled: divergenceOf(opponent.sampledDivergences, seed) }),
  };
  const rows = judged.map((answer, i) => ({
    ...row(answer),
    opponentAnswer: contentOf(other[i].record.responses[0].text),
    ...scoreOf('opponentScore', other[i].verdict),
  }));
  return { comparison: { ...own, against }, rows };
}

const lengthOf = ({ responses }: AnsweredRecord) => charactersOf(contentOf(responses[0].text));

const NOTHING_JUDGED = 'The labeler scored none of the responses: choose another labeler, or change its settings.';

/** Undefined if one of the two has no score. */
function gainOf({ score: own }: Verdict, { score: other }: Verdict): number | undefined {
  return own === undefined || other === undefined ? undefined : own - other;
}

const scoreOf = <Name extends string>(name: Name, { score }: Verdict) =>
  (score === undefined ? {} : { [name]: score }) as { [key in Name]?: number };

function summarize(
  judged: JudgedAnswer<AnsweredRecord>[],
): Omit<AnswerSummary, 'meanTokens'> & { meanTokens?: number } {
  const first = judged.map(({ record }) => record.responses[0]);
  const { unjudged, ...means } = summarizeVerdicts(judged.map(({ verdict }) => verdict));
  if (unjudged === judged.length) throw new InputError(NOTHING_JUDGED);
  return {
    prompts: judged.length,
    ...(unjudged > 0 && { unjudged }),
    ...means,
    ...(first.every(({ token_ids }) => token_ids) && {
      meanTokens: mean(first.map(({ token_ids }) => token_ids!.length)),
    }),
    meanCharacters: mean(first.map(({ text }) => charactersOf(contentOf(text)))),
  };
}

/** Joins rows and labels. @param candidate index of the response among the labeled candidates: 1 for an opponent labeled together */
export const judgedAnswers = <R extends AnsweredRecord>(
  answered: R[],
  labels: LabelRecord[],
  candidate: 0 | 1 = 0,
): JudgedAnswer<R>[] => answered.map((record, i) => ({ record, verdict: verdictOn(labels[i], candidate)! }));
