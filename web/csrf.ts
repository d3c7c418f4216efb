/**
 * Protection of forms against cross-site request forgery: a token that only a page of the same session has (OWASP's "HMAC based token
 * pattern"), and the headers with which browsers say where a request is from.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { CSRF_FIELD } from './csrf-field.ts';
import type { WebEnv } from './identity.ts';
import { problem } from './respond.ts';

/** The token of a person's session. Who does not have the session cookie's value, which no page contains, cannot compute it. */
export const csrfToken = (session: string, person: string): string =>
  createHmac('sha256', session).update(`csrf ${person}`).digest('base64url');

const RELOAD = 'This form is not from a page of your session, and nothing was changed: load the page again.';

/**
 * Refuses a POST that is not from one of this server's pages, or whose form has not the token of the person's session.
 * @param proxy the host and port at which browsers reach the pages through a proxy that changes the Host header
 */
export const checkForm =
  (proxy?: string): MiddlewareHandler<WebEnv> =>
  async (c, next) => {
    if (c.req.method !== 'POST') return next();
    if (!isFromHere(c, proxy)) return problem(c, 403, RELOAD);
    const token = c.get('csrf');
    if (token === undefined) return next(); // Nobody has signed in: no page that changes something is for them.
    const form = await c.req.parseBody().catch(() => undefined);
    if (form === undefined) return problem(c, 400, 'The form cannot be read: load the page again.');
    const given = form[CSRF_FIELD];
    if (typeof given !== 'string' || !isEqual(given, token)) return problem(c, 403, RELOAD);
    return next();
  };

/** At least one of both headers must be there; all browsers send them with forms. */
function isFromHere(c: Context, proxy?: string): boolean {
  const site = c.req.header('sec-fetch-site');
  const origin = c.req.header('origin');
  if (origin === undefined) return site === 'same-origin';
  if (site !== undefined && site !== 'same-origin') return false;
  // Behind a load balancer that ends TLS, a request's own URL has another scheme.
  return URL.canParse(origin) && [new URL(c.req.url).host, proxy].includes(new URL(origin).host);
}

/** Takes equally long wherever the texts differ. */
function isEqual(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
