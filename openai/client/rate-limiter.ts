/** Limits requests to a server: concurrency, requests per minute, and the server's Retry-After header. */
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';

/** Without `requestsPerMinute` the rate is not limited. */
export interface Limits {
  concurrency: number;
  requestsPerMinute?: number;
}

/** When a server takes requests again, in milliseconds of performance.now(). */
interface Pause {
  until: number;
}

/** A queue for requests to one server that enforces the limits. */
export class RateLimiter {
  private readonly limit: LimitFunction;
  private readonly interval: number;
  private readonly pause: Pause;
  /** When the next request may start, in milliseconds of performance.now(). */
  private next = 0;

  /** @param pause of the server, which queues with other limits share */
  constructor({ concurrency, requestsPerMinute = Infinity }: Limits, pause: Pause) {
    this.limit = pLimit(concurrency);
    this.interval = 60_000 / requestsPerMinute;
    this.pause = pause;
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
    for (;;) {
      const wait = Math.max(this.next, this.pause.until) - performance.now();
      if (wait <= 0) break;
      await sleep(wait, undefined, { signal });
    }
    // Requests start at even intervals instead of in bursts, so that no period of 60 s exceeds the limit.
    this.next = performance.now() + this.interval;
  }

  /** Delays all new requests to the server by this time. Requests in progress continue. */
  delay(milliseconds: number): void {
    this.pause.until = Math.max(this.pause.until, performance.now() + milliseconds);
  }
}

const limiters = new Map<string, RateLimiter>();
const pauses = new Map<string, Pause>();

/**
 * The limiter of a server with these limits. The whole process shares it, because a worker may label several shards at once. Limiters with
 * other limits share the server's Retry-After.
 */
export function limiterOf(url: string, { concurrency, requestsPerMinute }: Limits): RateLimiter {
  const name = JSON.stringify([url, concurrency, requestsPerMinute]);
  const pause = pauses.get(url) ?? { until: 0 };
  pauses.set(url, pause);
  const limiter = limiters.get(name) ?? new RateLimiter({ concurrency, requestsPerMinute }, pause);
  limiters.set(name, limiter);
  return limiter;
}
