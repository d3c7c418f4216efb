/** Metrics of a GPU worker's machine: that the worker is there, its disk, and its GPUs while an activity is in progress. */
import { statfs } from 'node:fs/promises';
import { gpuUtilization, nvidiaGpus } from '../../engine/gpus.ts';
import { homeFolder } from '../places.ts';
import type { Metrics } from './metrics.ts';

/** Half of the minute in which CloudWatch's metrics are written, so that every line has a value. */
const EVERY_SECONDS = 30;

/** Publishes the metrics of a worker's machine from its start until it is closed. */
export class MachineMetrics {
  private readonly metrics: Metrics;
  private readonly warn: (message: string) => void;
  private readonly hasGpus = nvidiaGpus().length > 0;
  private timer: NodeJS.Timeout | undefined;
  private working = 0;

  constructor(metrics: Metrics, warn: (message: string) => void) {
    this.metrics = metrics;
    this.warn = warn;
  }

  /** @param everySeconds between two readings */
  start(everySeconds = EVERY_SECONDS): void {
    this.timer = setInterval(() => void this.read(), everySeconds * 1000);
    void this.read();
  }

  /** Marks the start of an activity. @returns a function that marks its end */
  readonly begin = (): (() => void) => {
    this.working++;
    return () => void this.working--;
  };

  close(): void {
    clearInterval(this.timer);
  }

  private async read(): Promise<void> {
    this.metrics.set('workers', 1);
    try {
      const { blocks, bavail } = await statfs(homeFolder());
      this.metrics.set('disk_used', 100 * (1 - bavail / blocks));
      if (this.hasGpus && this.working > 0) this.metrics.set('gpu_utilization', await gpuUtilization());
    } catch (error) {
      this.warn(`The use of the disk or the GPUs is not known: ${(error as Error).message.split('\n')[0]}`);
    }
  }
}
