/** selm's metrics, for Prometheus (on the port of Temporal's metrics), CloudWatch, both or neither, depending on the environment. */
import type {
  MetricCounter,
  MetricGauge,
  MetricHistogram,
  MetricMeter,
  WorkerDeploymentVersion,
} from '@temporalio/common';
import { InputError } from '../../data/errors.ts';
import { createEmf, type Dimensions, type EmfMetric, type EmfMetrics } from './emf.ts';

/** A metric: what it is, its unit, and its dimensions in CloudWatch besides `Deployment`. */
type Described = [about: string, unit: EmfMetric['unit'], ...by: (keyof Dimensions)[]];

/** Metrics that are sums. */
const COUNTERS = {
  prompt_tokens: ['Tokens of the prompts that responses were sampled for, once for each prompt', 'Count'],
  sampled_tokens: ['Tokens of answers sampled', 'Count'],
  training_steps: ['Optimizer steps done', 'Count'],
} satisfies Record<string, Described>;

/** Metrics that are current values. */
const GAUGES = {
  demand: ['Model activities that wait or run', 'Count', 'Pool', 'Version'],
  parked_runs: ['Runs that wait for a decision', 'Count'],
  runs_failed: ['Runs that have failed in the last quarter of an hour', 'Count'],
  workers: ['This worker, while it is there', 'Count', 'Pool', 'Version', 'Capacity'],
  heartbeat_age: [
    'Seconds since the last heartbeat of the running model activity that has been silent longest',
    'Seconds',
  ],
  gpu_utilization: ['Utilization of the GPUs while an activity is in progress: their mean', 'Percent', 'Pool'],
  disk_used: ['Used part of the volume of SELM_HOME', 'Percent', 'Pool'],
} satisfies Record<string, Described>;

/** Durations, in seconds. */
const DURATIONS = {
  step_seconds: ['Of an optimizer step', 'Seconds'],
  activity_seconds: ['Of an activity that has done work', 'Seconds'],
} satisfies Record<string, Described>;

const PREFIX = 'selm_';

/** CloudWatch's names are in camel case. */
const emfMetric = (name: string, [, unit, ...by]: Described): EmfMetric => ({
  name: name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase()),
  unit,
  by: ['Deployment', ...by],
});

/** The metrics of a worker, for Prometheus and, if configured, for CloudWatch. */
export class Metrics {
  private readonly counters: Record<keyof typeof COUNTERS, MetricCounter>;
  private readonly gauges: Record<keyof typeof GAUGES, MetricGauge>;
  private readonly durations: Record<keyof typeof DURATIONS, MetricHistogram>;
  private readonly emf: EmfMetrics | undefined;

  constructor(meter: MetricMeter, emf?: EmfMetrics) {
    this.counters = mapValues(COUNTERS, (name, about) => meter.createCounter(PREFIX + name, undefined, about));
    this.gauges = mapValues(GAUGES, (name, about) => meter.createGauge(PREFIX + name, 'float', undefined, about));
    this.durations = mapValues(DURATIONS, (name, about) => meter.createHistogram(PREFIX + name, 'float', 's', about));
    this.emf = emf;
  }

  add(name: keyof typeof COUNTERS, value: number): void {
    this.counters[name].add(value);
    this.emf?.add(emfMetric(name, COUNTERS[name]), value);
  }

  /** @param of what the value is of, if not of this worker; labels in Prometheus, dimensions in CloudWatch */
  set(name: keyof typeof GAUGES, value: number, of: Dimensions = {}): void {
    const labels = Object.entries(of).map(([dimension, its]) => [dimension.toLowerCase(), its]);
    this.gauges[name].set(value, Object.fromEntries(labels) as Record<string, string>);
    this.emf?.set(emfMetric(name, GAUGES[name]), value, of);
  }

  record(name: keyof typeof DURATIONS, seconds: number): void {
    this.durations[name].record(seconds);
    this.emf?.record(emfMetric(name, DURATIONS[name]), seconds);
  }

  /** Writes the metrics collected so far. */
  flush(): void {
    this.emf?.flush();
  }

  close(): void {
    this.emf?.close();
  }
}

/** The metrics of a worker that the environment enables. @throws InputError when it is incomplete */
export const createMetrics = (meter: MetricMeter, version?: WorkerDeploymentVersion): Metrics =>
  new Metrics(meter, createEmf(version));

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

function mapValues<K extends string, T>(
  described: Record<K, Described>,
  make: (name: K, about: string) => T,
): Record<K, T> {
  return Object.fromEntries(
    (Object.keys(described) as K[]).map((name) => [name, make(name, described[name][0])]),
  ) as Record<K, T>;
}
