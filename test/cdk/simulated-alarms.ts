/** CloudWatch's metrics and alarms as the simulation needs them: one value a minute, and alarms of the template. */
import type { Resource } from './variants.ts';

/** Values by minute: of each metric, by its name and dimensions. */
export class SimulatedMetrics {
  private readonly series = new Map<string, (number | undefined)[]>();
  private now = 0;

  /** Begins the next minute. */
  tick(): void {
    this.now++;
  }

  /** Adds to the value of this minute: the statistic Sum, and the others of metrics that are published once a minute. */
  publish(name: string, dimensions: Record<string, string>, value: number): void {
    const key = keyOf(name, dimensions);
    const values = this.series.get(key) ?? [];
    values[this.now] = (values[this.now] ?? 0) + value;
    this.series.set(key, values);
  }

  /** The value of this minute, if there is one, and whether the metric has had any value in the last `periods` minutes. */
  read(name: string, dimensions: Record<string, string>, periods: number): { value?: number; exists: boolean } {
    const values = this.series.get(keyOf(name, dimensions)) ?? [];
    const last = values.slice(Math.max(0, this.now - periods + 1), this.now + 1);
    return { value: values[this.now], exists: last.some((value) => value !== undefined) };
  }
}

const keyOf = (name: string, dimensions: Record<string, string>) =>
  JSON.stringify([name, Object.entries(dimensions).sort(([a], [b]) => a.localeCompare(b))]);

interface Reference {
  MetricName: string;
  Dimensions: { Name: string; Value: string }[];
}

const dimensionsOf = ({ Dimensions }: Reference) =>
  Object.fromEntries(Dimensions.map(({ Name, Value }) => [Name, Value]));

/** An alarm of the template, whose missing data changes nothing (`ignore`). */
export class SimulatedAlarm {
  private readonly alarm: Resource['Properties'];
  private readonly history: (number | undefined)[] = [];

  constructor(alarm: Resource['Properties']) {
    if (alarm['TreatMissingData'] !== 'ignore') throw new Error('Scaling alarms ignore missing data.');
    this.alarm = alarm;
  }

  /** Evaluates the alarm. @returns how far the metric is from the threshold; undefined if the alarm is not raised */
  evaluate(metrics: SimulatedMetrics): number | undefined {
    const { Threshold, ComparisonOperator, EvaluationPeriods } = this.alarm;
    const value = this.value(metrics, EvaluationPeriods as number);
    this.history.push(value);
    const breaches = (point: number | undefined) =>
      point !== undefined && (ComparisonOperator === 'LessThanThreshold' ? point < Threshold : point >= Threshold);
    const latest = this.history.slice(-EvaluationPeriods);
    if (value === undefined || latest.length < EvaluationPeriods || !latest.every(breaches)) return undefined;
    return value - Threshold;
  }

  private value(metrics: SimulatedMetrics, periods: number): number | undefined {
    const { alarm } = this;
    if (alarm['MetricName'] !== undefined) {
      const single = alarm as unknown as Reference;
      return metrics.read(single.MetricName, dimensionsOf(single), periods).value;
    }
    const queries = alarm['Metrics'] as { Id: string; Expression?: string; MetricStat?: { Metric: Reference } }[];
    const inputs = queries.flatMap(({ Id, MetricStat }) => (MetricStat ? [{ Id, ...MetricStat.Metric }] : []));
    const found = inputs.map((input) => metrics.read(input.MetricName, dimensionsOf(input), periods));
    return evaluate(
      queries.find(({ Expression }) => Expression)!.Expression!,
      inputs.map(({ Id }, i) => ({ id: Id, ...found[i] })),
    );
  }
}

const IF = (condition: boolean, yes: number, no: number) => (condition ? yes : no);

/**
 * A metric expression of numbers, `IF` and `FILL`. It has a value only where all its inputs have one, and FILL fills the gaps of a metric,
 * but gives nothing for a metric without any value: that one is no time series.
 */
export function evaluate(
  expression: string,
  inputs: { id: string; value?: number; exists: boolean }[],
): number | undefined {
  const values = Object.fromEntries(inputs.map(({ id, value, exists }) => [id, { value, exists }]));
  let isKnown = true;
  const filled = expression.replaceAll(/FILL\((\w+), (\d+)\)/g, (_, id: string, other: string) => {
    isKnown &&= values[id].exists;
    return String(values[id].value ?? other);
  });
  const named = filled.replaceAll(new RegExp(`\\b(?:${Object.keys(values).join('|')})\\b`, 'g'), (id) => {
    isKnown &&= values[id].value !== undefined;
    return String(values[id].value);
  });
  if (!isKnown) return undefined;
  // oxlint-disable-next-line typescript/no-implied-eval
  return (new Function('IF', `return ${named}`) as (choose: typeof IF) => number)(IF);
}
