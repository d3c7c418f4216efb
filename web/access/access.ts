/** How the pages find out who a request is from. */
import type { Hono, MiddlewareHandler } from 'hono';
import type { Identity, WebEnv } from '../identity.ts';

export interface Access {
  /** Sets the identity and the token for forms, or refuses the request. */
  identify: MiddlewareHandler<WebEnv>;
  /** Pages of the sign-in itself. */
  pages?: Hono<WebEnv>;
}

/** Everybody sees the pages of runs and policies, and nobody signs in. */
export const EVERYBODY: Identity = { roles: ['viewer'] };
