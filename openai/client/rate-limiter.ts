/** Limits requests to a server: concurrency, requests per minute, and the server's Retry-After header. */
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';

/** Without `requestsPerMinute` the rate is not limited. */
export interface Limits {
  concurrency: number;
  requestsPerMinute?: number;
}

/** A queue for requests to one server that enforces the limits. */
export class RateLimiter {
  private readonly limit: LimitFunction;
  private readonly interval: number;
  /** When the next request may start, in milliseconds of performance.now(). */
  private next = 0;

  constructor({ concurrency, requestsPerMinute = Infinity }: Limits) {
    this.limit = pLimit(concurrency);
    this.interval = 60_000 / requestsPerMinute;
  }

  /** Runs `work` when the limits allow it, unless `signal` is aborted first. */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
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
    // Requests start at even intervals instead of in bursts, so that no period of 60 s exceeds the limit.
    this.next = performance.now() + this.interval;
  }

  /** Delays all new requests by this time. Requests in progress continue. */
  delay(milliseconds: number): void {
    this.next = Math.max(this.next, performance.now() + milliseconds);
  }
}

const limiters = new Map<string, RateLimiter>();

/** The limiter of a server with these limits. The whole process shares it, because a worker may label several shards at once. */
export function limiterOf(url: string, { concurrency, requestsPerMinute }: Limits): RateLimiter {
  const name = JSON.stringify([url, concurrency, requestsPerMinute]);
  const limiter = limiters.get(name) ?? new RateLimiter({ concurrency, requestsPerMinute });
  limiters.set(name, limiter);
  return limiter;
}
