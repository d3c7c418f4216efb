/**
 * Metrics in CloudWatch's embedded metric format on stdout. CloudWatch Logs extracts the metrics, so the worker needs no call to AWS.
 * Source: the specification of the CloudWatch embedded metric format.
 */
import { InputError } from '../../data/errors.ts';

const FLUSH_SECONDS = 60;
/** The format's maximum number of values of a metric in one line. */
const MAX_VALUES = 100;

type Unit = 'Count' | 'Seconds';

/** Collects metrics and writes them to stdout in CloudWatch's embedded metric format. */
export class EmfMetrics {
  private readonly namespace: string;
  private readonly dimensions: Record<string, string>;
  private readonly write: (line: string) => void;
  private values = new Map<string, { unit: Unit; values: number[] }>();
  private readonly timer: NodeJS.Timeout;

  constructor(
    namespace: string,
    dimensions: Record<string, string>,
    write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
  ) {
    this.namespace = namespace;
    this.dimensions = dimensions;
    this.write = write;
    this.timer = setInterval(() => this.flush(), FLUSH_SECONDS * 1000).unref();
  }

  /** Adds to a sum. Sums restart with every line. */
  add(name: string, unit: Unit, value: number): void {
    const entry = this.entry(name, unit);
    entry.values = [(entry.values[0] ?? 0) + value];
  }

  /** Sets a value. A line contains the last value. */
  set(name: string, unit: Unit, value: number): void {
    this.entry(name, unit).values = [value];
  }

  /** Adds a value. A line contains all values, and CloudWatch computes percentiles from them. */
  record(name: string, unit: Unit, value: number): void {
    const { values } = this.entry(name, unit);
    values.push(value);
    if (values.length === MAX_VALUES) this.flush();
  }

  private entry(name: string, unit: Unit) {
    const entry = this.values.get(name) ?? { unit, values: [] };
    this.values.set(name, entry);
    return entry;
  }

  /** Writes one line with all metrics that have a value, if there are any. */
  flush(): void {
    if (this.values.size === 0) return;
    const metrics = [...this.values];
    this.values = new Map();
    const names = Object.keys(this.dimensions);
    const directive = {
      Namespace: this.namespace,
      // One dimension set per prefix: by deployment, and by deployment and capacity.
      Dimensions: names.map((_, i) => names.slice(0, i + 1)),
      Metrics: metrics.map(([Name, { unit }]) => ({ Name, Unit: unit })),
    };
    const values = metrics.map(([name, { values }]) => [name, values.length === 1 ? values[0] : values]);
    this.write(
      JSON.stringify({
        _aws: { Timestamp: Date.now(), CloudWatchMetrics: [directive] },
        ...this.dimensions,
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
 * Metrics in the namespace SELM_METRICS_NAMESPACE, by deployment (SELM_DEPLOYMENT) and, if given, by capacity (SELM_CAPACITY, such as
 * spot).
 * @throws InputError when the deployment has no name
 */
export function createEmf(): EmfMetrics | undefined {
  const namespace = process.env['SELM_METRICS_NAMESPACE'];
  if (!namespace) return undefined;
  const [Deployment, Capacity] = [process.env['SELM_DEPLOYMENT'], process.env['SELM_CAPACITY']];
  if (!Deployment)
    throw new InputError('SELM_METRICS_NAMESPACE is set without SELM_DEPLOYMENT: give the deployment a name.');
  return new EmfMetrics(namespace, { Deployment, ...(Capacity && { Capacity }) });
}
