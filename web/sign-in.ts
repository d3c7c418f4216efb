/**
 * Access to pages behind a load balancer that signs users in, by the groups that a configuration names. An Application Load Balancer
 * cannot check users' claims: it sends them in a signed header, which is verified here.
 */
import { randomBytes } from 'node:crypto';
import { AlbJwtVerifier } from 'aws-jwt-verify';
import { FetchError, JwtExpiredError, NonRetryableFetchError } from 'aws-jwt-verify/error';
import type { Context } from 'hono';
import { deleteCookie } from 'hono/cookie';
import { z } from 'zod';
import { InputError, oneLine } from '../data/errors.ts';
import { isPersonName } from '../labelers/people/person.ts';
import type { Access } from './access/access.ts';
import { endSession, readSession, setSession } from './access/session.ts';
import { signOutPage } from './access/sign-out.ts';
import { csrfToken } from './csrf.ts';
import type { Role } from './identity.ts';
import { problem } from './respond.ts';

const signInSchema = z.strictObject({
  /** ARN of the load balancer. A header that another one has signed is refused. */
  balancer: z.string(),
  issuer: z.string(),
  clientId: z.string(),
  /** The claim that is a person's name in votes and decisions. */
  name: z.string(),
  groups: z.strictObject({
    claim: z.string(),
    /** Groups whose users see the pages of runs and policies. */
    values: z.array(z.string()).min(1),
    /** Groups whose users vote. */
    labelers: z.array(z.string()).default([]),
    /** Groups whose users decide about runs. They also see all pages and vote. */
    operators: z.array(z.string()).default([]),
  }),
  /** Where the load balancer's public keys are. Default: AWS's address of its region. */
  keys: z.url().optional(),
});

export type SignIn = z.input<typeof signInSchema>;

/**
 * Reads SELM_UI_SIGN_IN, which a deployment sets for `ui.oidc.groups`.
 * @throws InputError when it is not valid: pages must not be served to everybody then
 */
export function readSignIn(): SignIn | undefined {
  const given = process.env['SELM_UI_SIGN_IN'];
  if (given === undefined) return undefined;
  try {
    return signInSchema.parse(JSON.parse(given));
  } catch {
    throw new InputError(
      'SELM_UI_SIGN_IN is not valid: give JSON with balancer, issuer, clientId, name and groups; or unset it.',
    );
  }
}

/**
 * The cookies of an Application Load Balancer's session, which it spreads over several; the application ends the session by removing them.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html
 */
const BALANCER_COOKIES = [0, 1, 2, 3].map((part) => `AWSELBAuthSessionCookie-${part}`);
const STILL_SIGNED_IN =
  'Your identity provider may still know you, and would sign you in again without a password: sign out there too.';

function endSessions(c: Context): void {
  endSession(c, true);
  for (const name of BALANCER_COOKIES) deleteCookie(c, name, { path: '/', secure: true });
}

/** Answers 403 to requests without a valid signature of the load balancer, and to users who are in none of the groups. */
export function bySignIn(given: SignIn): Access {
  const { balancer, issuer, clientId, name: nameClaim, groups, keys } = signInSchema.parse(given);
  const verifier = AlbJwtVerifier.create({ albArn: balancer, issuer, clientId, ...(keys && { jwksUri: keys }) });
  const rolesOf = (own: string[]): Role[] => {
    const isIn = (...some: string[][]) => some.flat().some((group) => own.includes(group));
    return [
      ...(isIn(groups.values, groups.operators) ? ['viewer' as const] : []),
      ...(isIn(groups.labelers, groups.operators) ? ['labeler' as const] : []),
      ...(isIn(groups.operators) ? ['operator' as const] : []),
    ];
  };
  return {
    pages: signOutPage({ end: endSessions, others: { roles: [] }, next: STILL_SIGNED_IN }),
    identify: async (c, next) => {
      const token = c.req.header('x-amzn-oidc-data');
      if (token === undefined)
        return problem(c, 403, 'These pages are served only through the load balancer that signs users in.');
      let claims: Record<string, unknown>;
      try {
        claims = await verifier.verify(token);
      } catch (error) {
        console.error(oneLine(`selm: sign-in refused: ${(error as Error).message}`));
        // A key that the load balancer does not have is not found; other errors are of the connection.
        if (error instanceof FetchError && !(error instanceof NonRetryableFetchError))
          return problem(c, 503, 'The sign-in cannot be checked at the moment; try again.');
        if (error instanceof JwtExpiredError) return problem(c, 403, 'Your sign-in has expired; load the page again.');
        return problem(c, 403, 'Your sign-in is not valid; load the page again.');
      }
      const roles = rolesOf(groupsOf(claims[groups.claim]));
      if (roles.length === 0)
        return problem(
          c,
          403,
          `You are signed in, but not in a group that may see these pages (claim "${groups.claim}").`,
        );
      const name = nameOf(claims, nameClaim);
      if (name === undefined && roles.some((role) => role !== 'viewer'))
        return problem(
          c,
          403,
          `You are signed in, but your claim "${nameClaim}" is missing, not verified, or cannot be a name here.`,
        );
      c.set('identity', { name, roles });
      // The load balancer's own session cookies change, so the token for forms is of a cookie of these pages.
      let session = readSession(c, true);
      if (name !== undefined && session === undefined) {
        session = randomBytes(32).toString('base64url');
        setSession(c, true, session);
      }
      if (name !== undefined) c.set('csrf', csrfToken(session!, name));
      return next();
    },
  };
}

/** At some providers people can enter another's address as their own: `email_verified` says whether it was checked. */
function nameOf(claims: Record<string, unknown>, claim: string): string | undefined {
  const name = claims[claim];
  const verified = claims['email_verified'];
  if (claim === 'email' && ![undefined, true, 'true'].includes(verified as string | boolean | undefined))
    return undefined;
  return typeof name === 'string' && isPersonName(name) ? name : undefined;
}

/** Providers send a list, a single name, or names joined by commas or spaces (Cognito sends lists as "[a, b]"). */
function groupsOf(claim: unknown): string[] {
  if (Array.isArray(claim)) return claim.filter((group) => typeof group === 'string');
  return typeof claim === 'string' ? claim.replaceAll(/^\[|\]$/g, '').split(/[\s,]+/) : [];
}
