/**
 * Metrics in CloudWatch's embedded metric format on stdout. CloudWatch Logs extracts the metrics, so the worker needs no call to AWS.
 * Source: the specification of the CloudWatch embedded metric format.
 */
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { InputError } from '../../data/errors.ts';

const FLUSH_SECONDS = 60;
/** The format's maximum number of values of a metric in one line. */
const MAX_VALUES = 100;

type Unit = 'Count' | 'Seconds' | 'Percent';

/** Values by which metrics are told apart. `Version` is the worker's build id in Temporal. */
export type Dimensions = Partial<Record<'Deployment' | 'Pool' | 'Version' | 'Capacity', string>>;

/** A metric's name in CloudWatch, its unit and its dimensions. */
export interface EmfMetric {
  name: string;
  unit: Unit;
  /** A dimension that the worker lacks is left out. */
  by: readonly (keyof Dimensions)[];
}

interface Entry {
  metric: EmfMetric;
  dimensions: Dimensions;
  values: number[];
}

/** Collects metrics and writes them to stdout in CloudWatch's embedded metric format. */
export class EmfMetrics {
  private readonly namespace: string;
  private readonly dimensions: Dimensions;
  private readonly write: (line: string) => void;
  private entries = new Map<string, Entry>();
  private readonly timer: NodeJS.Timeout;

  /** @param dimensions of this worker */
  constructor(
    namespace: string,
    dimensions: Dimensions,
    write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
  ) {
    this.namespace = namespace;
    this.dimensions = dimensions;
    this.write = write;
    this.timer = setInterval(() => this.flush(), FLUSH_SECONDS * 1000).unref();
  }

  /** Adds to a sum. Sums restart with every line. */
  add(metric: EmfMetric, value: number): void {
    const entry = this.entry(metric);
    entry.values = [(entry.values[0] ?? 0) + value];
  }

  /** Sets a value. A line contains the last value. @param of dimensions other than this worker's */
  set(metric: EmfMetric, value: number, of: Dimensions = {}): void {
    this.entry(metric, of).values = [value];
  }

  /** Adds a value. A line contains all values, and CloudWatch computes percentiles from them. */
  record(metric: EmfMetric, value: number): void {
    const { values } = this.entry(metric);
    values.push(value);
    if (values.length === MAX_VALUES) this.flush();
  }

  private entry(metric: EmfMetric, of: Dimensions = {}): Entry {
    const all = { ...this.dimensions, ...of };
    const dimensions = Object.fromEntries(metric.by.flatMap((name) => (all[name] ? [[name, all[name]]] : [])));
    const key = JSON.stringify([metric.name, dimensions]);
    const entry = this.entries.get(key) ?? { metric, dimensions, values: [] };
    this.entries.set(key, entry);
    return entry;
  }

  /** Writes the metrics that have a value: one line for each combination of dimensions. */
  flush(): void {
    const lines = new Map<string, Entry[]>();
    for (const entry of this.entries.values()) {
      const key = JSON.stringify(entry.dimensions);
      lines.set(key, [...(lines.get(key) ?? []), entry]);
    }
    this.entries = new Map();
    for (const entries of lines.values()) this.writeLine(entries[0].dimensions, entries);
  }

  private writeLine(dimensions: Dimensions, entries: Entry[]): void {
    const directive = {
      Namespace: this.namespace,
      Dimensions: [Object.keys(dimensions)],
      Metrics: entries.map(({ metric: { name, unit } }) => ({ Name: name, Unit: unit })),
    };
    const values = entries.map(({ metric, values: all }) => [metric.name, all.length === 1 ? all[0] : all]);
    this.write(
      JSON.stringify({
        _aws: { Timestamp: Date.now(), CloudWatchMetrics: [directive] },
        ...dimensions,
        ...Object.fromEntries(values),
      }),
    );
  }

  close(): void {
    clearInterval(this.timer);
    this.flush();
  }
}

/**
 * Metrics in the namespace SELM_METRICS_NAMESPACE, of a worker of the deployment SELM_DEPLOYMENT and, if given, the pool SELM_POOL (single
 * or node) and the capacity SELM_CAPACITY (spot or on-demand).
 * @throws InputError when the deployment has no name
 */
export function createEmf(version?: WorkerDeploymentVersion): EmfMetrics | undefined {
  const namespace = process.env['SELM_METRICS_NAMESPACE'];
  if (!namespace) return undefined;
  const { SELM_DEPLOYMENT: Deployment, SELM_POOL: Pool, SELM_CAPACITY: Capacity } = process.env;
  if (!Deployment)
    throw new InputError('SELM_METRICS_NAMESPACE is set without SELM_DEPLOYMENT: give the deployment a name.');
  return new EmfMetrics(namespace, {
    Deployment,
    ...(Pool && { Pool }),
    ...(version && { Version: version.buildId }),
    ...(Capacity && { Capacity }),
  });
}
