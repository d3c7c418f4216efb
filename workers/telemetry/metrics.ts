/** selm's metrics, for Prometheus (on the port of Temporal's metrics), CloudWatch, both or neither, depending on the environment. */
import type { MetricCounter, MetricGauge, MetricHistogram, MetricMeter } from '@temporalio/common';
import { InputError } from '../../data/errors.ts';
import { createEmf, type EmfMetrics } from './emf.ts';

/** Metrics that are sums. */
const COUNTERS = {
  sampled_tokens: 'Tokens of answers sampled',
  training_steps: 'Optimizer steps done',
} as const;

/** Metrics that are current values. */
const GAUGES = {
  demand: 'Model activities that wait or run',
  parked_runs: 'Runs that wait for a decision',
  workers: 'This worker, while it is there',
  heartbeat_age: 'Seconds since the last heartbeat of the running model activity that has been silent longest',
} as const;

/** Durations, in seconds. */
const DURATIONS = {
  step_seconds: 'Of an optimizer step',
  activity_seconds: 'Of an activity that has done work',
} as const;

const PREFIX = 'selm_';

/** CloudWatch's names are in camel case. SELM_DEMAND_METRIC is the demand's name, so each version of a deployment has its own metric. */
function emfName(name: string): string {
  if (name === 'demand') return process.env['SELM_DEMAND_METRIC'] ?? 'Demand';
  return name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The metrics of a worker, for Prometheus and, if configured, for CloudWatch. */
export class Metrics {
  private readonly counters: Record<keyof typeof COUNTERS, MetricCounter>;
  private readonly gauges: Record<keyof typeof GAUGES, MetricGauge>;
  private readonly durations: Record<keyof typeof DURATIONS, MetricHistogram>;
  private readonly emf: EmfMetrics | undefined;

  constructor(meter: MetricMeter, emf = createEmf()) {
    this.counters = mapValues(COUNTERS, (name, about) => meter.createCounter(PREFIX + name, undefined, about));
    this.gauges = mapValues(GAUGES, (name, about) => meter.createGauge(PREFIX + name, 'float', undefined, about));
    this.durations = mapValues(DURATIONS, (name, about) => meter.createHistogram(PREFIX + name, 'float', 's', about));
    this.emf = emf;
  }

  add(name: keyof typeof COUNTERS, value: number): void {
    this.counters[name].add(value);
    this.emf?.add(emfName(name), 'Count', value);
  }

  set(name: keyof typeof GAUGES, value: number): void {
    this.gauges[name].set(value);
    this.emf?.set(emfName(name), name === 'heartbeat_age' ? 'Seconds' : 'Count', value);
  }

  record(name: keyof typeof DURATIONS, seconds: number): void {
    this.durations[name].record(seconds);
    this.emf?.record(emfName(name), 'Seconds', seconds);
  }

  /** Writes the metrics collected so far. */
  flush(): void {
    this.emf?.flush();
  }

  close(): void {
    this.emf?.close();
  }
}

/** The address for Prometheus: SELM_METRICS_PORT on all interfaces. @throws InputError when it is not a port */
export function metricsAddress(): string | undefined {
  const port = process.env['SELM_METRICS_PORT'];
  if (!port) return undefined;
  if (!/^\d+$/.test(port) || Number(port) < 1 || Number(port) > 65535) {
    throw new InputError(`SELM_METRICS_PORT=${port} is no port: give 1 to 65535.`);
  }
  return `0.0.0.0:${port}`;
}

/** Whether the environment enables metrics. */
export const isMeasured = (): boolean =>
  Boolean(process.env['SELM_METRICS_PORT'] || process.env['SELM_METRICS_NAMESPACE']);

function mapValues<K extends string, T>(texts: Record<K, string>, make: (name: K, text: string) => T): Record<K, T> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, make(name as K, text as string)]),
  ) as Record<K, T>;
}
