/** Limits of requests: a token bucket for each person, and for each address that gives invalid links. */
import type { Context, MiddlewareHandler } from 'hono';
import type { WebEnv } from './identity.ts';
import { problem } from './respond.ts';

/** Keys that are remembered. A forgotten one has its full burst again. */
const MAX_KEYS = 10_000;

/** A token bucket for each key: `burst` requests at once, afterwards `perSecond`. */
export class RateLimit {
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  readonly #burst: number;
  readonly #perSecond: number;

  constructor({ burst, perSecond }: { burst: number; perSecond: number }) {
    this.#burst = burst;
    this.#perSecond = perSecond;
  }

  /** Takes a token of `key`. @param now in seconds @returns seconds until there is one; 0 if it was taken */
  take(key: string, now = performance.now() / 1000): number {
    const { tokens: before, at } = this.#buckets.get(key) ?? { tokens: this.#burst, at: now };
    const tokens = Math.min(this.#burst, before + (now - at) * this.#perSecond);
    const taken = tokens >= 1;
    // Set again, so that the first key of the map is the one that was used longest ago.
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: taken ? tokens - 1 : tokens, at: now });
    if (this.#buckets.size > MAX_KEYS) this.#buckets.delete(this.#buckets.keys().next().value!);
    return taken ? 0 : (1 - tokens) / this.#perSecond;
  }
}

/** Limits the requests of each person who has signed in. Faster than anybody reads and answers. */
export function limitPeople(): MiddlewareHandler<WebEnv> {
  const limit = new RateLimit({ burst: 100, perSecond: 10 });
  return async (c, next) => {
    const { name } = c.get('identity');
    const wait = name === undefined ? 0 : limit.take(name);
    return wait === 0 ? next() : tooMany(c, wait);
  };
}

/** The response to a request beyond a limit. @param wait seconds until the next one is accepted */
export function tooMany(c: Context<WebEnv>, wait: number): Response | Promise<Response> {
  c.header('Retry-After', String(Math.ceil(wait)));
  return problem(c, 429, 'Too many requests: wait a moment and load the page again.');
}
