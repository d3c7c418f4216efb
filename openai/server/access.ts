/** Access control: host names, origins, API keys and request size. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Secret } from '../../data/secret.ts';
import { Refused } from './refused.ts';

/** Access settings of an endpoint. */
export interface Access {
  /** Allowed Host headers (DNS-rebinding protection). Default: all. */
  hosts?: string[];
  /** Bearer tokens; a request to a path under /v1 must contain one of them. Default: no key is required. */
  apiKeys?: Secret[];
}

/** Maximum size of a request body. A batch of prompts that fill a model's context fits; tokenizing it takes about two seconds. */
const MOST_BYTES = 2 * 1024 ** 2;

/** Rejects requests whose Host header is not allowed, with status 421. */
export function checkHost({ hosts }: Access): MiddlewareHandler {
  return async (c, next) => {
    const { hostname } = new URL(c.req.url);
    if (hosts && !hosts.includes(hostname))
      throw new Refused(421, `This endpoint is at ${hosts.join(' or ')}; selm serve --host serves it elsewhere.`);
    return next();
  };
}

/** Rejects requests from web pages of other origins (Origin header), with status 403. */
export const checkOrigin: MiddlewareHandler = async (c, next) => {
  const origin = c.req.header('origin');
  // Compares only hosts, not schemes, because a proxy may terminate TLS.
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== new URL(c.req.url).host)) {
    throw new Refused(403, `Requests from web pages of other origins (${origin}) are not allowed.`);
  }
  return next();
};

const digest = (text: string) => createHash('sha256').update(text).digest();

/** Requires an API key, like vLLM's --api-key. Rejects other requests with status 401. */
export function checkKey({ apiKeys }: Access): MiddlewareHandler {
  const expected = apiKeys?.map((key) => digest(key.reveal()));
  const isValid = (given: string) => {
    const [, key] = /^bearer (.*)$/i.exec(given) ?? [];
    return key !== undefined && expected!.some((one) => timingSafeEqual(digest(key), one));
  };
  return async (c, next) => {
    const given = c.req.header('authorization');
    if (!expected || (given !== undefined && isValid(given))) return next();
    throw new Refused(
      401,
      given === undefined
        ? 'You did not provide an API key: send it in an Authorization header (Authorization: Bearer KEY).'
        : 'Incorrect API key provided.',
      'invalid_api_key',
    );
  };
}

/** Rejects requests with a body larger than MOST_BYTES, with status 413. */
export const limitBody: MiddlewareHandler = bodyLimit({
  maxSize: MOST_BYTES,
  onError: (c) => {
    // Closes the connection, because the rest of the body is not read.
    c.header('Connection', 'close');
    throw new Refused(
      413,
      `The request is larger than ${MOST_BYTES / 1024 ** 2} MiB; send fewer prompts at a time, or a shorter conversation.`,
    );
  },
});
