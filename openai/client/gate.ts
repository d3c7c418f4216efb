/** Limits on requests to a server: concurrency, requests per minute, and its Retry-After. */
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';

export interface Limits {
  concurrency: number;
  requestsPerMinute?: number;
}

export class Gate {
  private readonly limit: LimitFunction;
  private readonly interval: number;
  /** When the next request may start, in milliseconds of performance.now(). */
  private next = 0;

  constructor({ concurrency, requestsPerMinute = Infinity }: Limits) {
    this.limit = pLimit(concurrency);
    this.interval = 60_000 / requestsPerMinute;
  }

  /** Runs `work` when the limits allow it, unless `signal` is aborted first. */
  pass<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.limit(async () => {
      signal.throwIfAborted();
      await this.turn(signal);
      return work();
    });
  }

  private async turn(signal: AbortSignal): Promise<void> {
    for (let now = performance.now(); now < this.next; now = performance.now()) {
      await sleep(this.next - now, undefined, { signal });
    }
    // Evenly instead of in bursts, so that no period of 60 s exceeds the limit.
    this.next = performance.now() + this.interval;
  }

  /** Starts no request for so long. Requests under way continue. */
  close(milliseconds: number): void {
    this.next = Math.max(this.next, performance.now() + milliseconds);
  }
}

const gates = new Map<string, Gate>();

/** The gate of a server with these limits, shared by the whole process, which may label several shards at the same time. */
export function gateTo(url: string, { concurrency, requestsPerMinute }: Limits): Gate {
  const name = JSON.stringify([url, concurrency, requestsPerMinute]);
  const gate = gates.get(name) ?? new Gate({ concurrency, requestsPerMinute });
  gates.set(name, gate);
  return gate;
}
