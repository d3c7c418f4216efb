/** The metrics of a run as rows, with the metric names of TRL and TensorBoard. */
import type { RunStatus } from '../workflows/status.ts';
import type { RoundArtifacts } from './artifacts.ts';

/** Metrics of an optimizer step or of an evaluation. */
export interface MetricsRow {
  /** In training rows: the optimizer step, counted over all rounds. In evaluation rows: the round, 0 for the start policy. */
  step: number;
  /** Seconds since 1970, if known. */
  time?: number;
  metrics: Record<string, number>;
}

/** The metrics of a run. @param endOf end time of a round, in seconds since 1970; of round 0: of the measurement of the start policy */
export function metricsRows(
  { start, results, benchmarks = [] }: RunStatus,
  rounds: RoundArtifacts[],
  endOf: (round: number) => number | undefined,
): MetricsRow[] {
  const rows: MetricsRow[] = [];
  const timeOf = (round: number) => {
    const time = endOf(round);
    return time === undefined ? {} : { time };
  };
  const measuredIn = (round: number) =>
    Object.fromEntries(
      benchmarks
        .filter((measured) => measured.round === round)
        .flatMap(({ benchmark, rows: own }) =>
          own.map(({ task, metric, value }): [string, number] => [`${benchmark}/${task}/${metric}`, value]),
        ),
    );
  if (start) {
    const { meanScore, meanTokens, strictPassRate } = start;
    const measured = { score: meanScore, tokens: meanTokens, ...strictPass(strictPassRate) };
    rows.push({ step: 0, ...timeOf(0), metrics: { ...prefixed('eval/', measured), ...measuredIn(0) } });
  }
  let steps = 0;
  for (const { round, training, people } of rounds) {
    const time = timeOf(round);
    for (const { step: _, ...metrics } of training) {
      rows.push({ step: ++steps, ...time, metrics: { ...prefixed('train/', metrics), round } });
    }
    const { evaluation, winRateOverPrevious, secondJudge, label } = results.find((result) => result.round === round)!;
    const { meanScore, meanTokens, strictPassRate, against } = evaluation;
    const measured = {
      score: meanScore,
      tokens: meanTokens,
      ...strictPass(strictPassRate),
      win_rate: against!.winRate,
      win_rate_low: against!.winRateInterval.low,
      win_rate_high: against!.winRateInterval.high,
      win_rate_over_previous: winRateOverPrevious,
      kl: against!.kl!,
      kl_per_token: against!.klPerToken!,
      ...(against!.klSampled && {
        kl_sampled: against!.klSampled.kl,
        kl_sampled_per_token: against!.klSampled.klPerToken,
      }),
      ...(secondJudge && {
        second_judge_score: secondJudge.evaluation.meanScore,
        second_judge_win_rate: secondJudge.evaluation.against!.winRate,
      }),
    };
    rows.push({
      step: round,
      ...time,
      metrics: {
        ...prefixed('eval/', measured),
        ...measuredIn(round),
        'label/preferences': label.preferences,
        ...(people?.alpha && { 'label/alpha': people.alpha.alpha }),
      },
    });
  }
  return rows;
}

const strictPass = (rate: number | undefined): Record<string, number> =>
  rate === undefined ? {} : { strict_pass_rate: rate };

const prefixed = (prefix: string, values: Record<string, number>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));
