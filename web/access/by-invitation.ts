/** Access to pages on one's own machine: people open their invitation links, which sign their browsers in. */
import { Hono, type Context } from 'hono';
import { getConnInfo } from '@hono/node-server/conninfo';
import { InputError } from '../../data/errors.ts';
import { csrfToken } from '../csrf.ts';
import type { Identity, Role, WebEnv } from '../identity.ts';
import { RateLimit, tooMany } from '../rate-limit.ts';
import { problem } from '../respond.ts';
import type { Access } from './access.ts';
import type { Invitation, Invitations } from './invitations.ts';
import { endSession, readSession, setSession } from './session.ts';
import { signOutPage } from './sign-out.ts';

const INVALID = 'This invitation link is not valid: it is incomplete, has expired or was revoked; ask for a new one.';

const rolesOf = ({ operator }: Invitation): Role[] => (operator ? ['viewer', 'labeler', 'operator'] : ['labeler']);

/**
 * @param options.others what people without an invitation may do
 * @param options.secure whether browsers reach the pages by https only
 * @param options.home where a link leads a person
 */
export function byInvitation(
  invitations: Invitations,
  { others, secure, home }: { others: Identity; secure: boolean; home: (person: Identity) => string },
): Access {
  const failures = new RateLimit({ burst: 10, perSecond: 0.1 });

  /** The identity of a token, which is that of a link as well as of the session that the link has opened. */
  async function identityOf(token: string): Promise<(Identity & { expires: Date }) | undefined> {
    const invitation = await invitations.find(token).catch((error: unknown) => {
      // Not the visitor's input. The message has a path of this machine, and is only logged.
      throw error instanceof InputError ? new Error(error.message) : error;
    });
    if (!invitation) return undefined;
    const roles = new Set([...others.roles, ...rolesOf(invitation)]);
    return { name: invitation.person, roles: [...roles], expires: new Date(invitation.expires) };
  }

  const pages = new Hono<WebEnv>();
  pages.get('/join', async (c) => {
    c.header('Referrer-Policy', 'no-referrer');
    const token = c.req.query('token') ?? '';
    const person = await identityOf(token);
    if (!person) {
      // Valid links are never limited, whoever else tries others from the same address.
      const wait = failures.take(addressOf(c));
      return wait === 0 ? problem(c, 403, INVALID) : tooMany(c, wait);
    }
    const { name } = c.get('identity');
    if (name !== undefined && name !== person.name)
      return problem(
        c,
        409,
        `This browser is signed in as "${name}", and the link is for "${person.name}": sign out first, or open it in a private window.`,
      );
    setSession(c, secure, token, person.expires);
    return c.redirect(home(person), 303);
  });

  const end = (c: Context) => endSession(c, secure);
  pages.route('/', signOutPage({ end, others, next: 'Your invitation link signs you in again, until it expires.' }));

  return {
    pages,
    identify: async (c, next) => {
      const session = readSession(c, secure);
      const person = session === undefined ? undefined : await identityOf(session);
      c.set('identity', person ?? others);
      if (person) c.set('csrf', csrfToken(session!, person.name!));
      await next();
    },
  };
}

/** The address of a client. Requests without a connection are those of tests. */
const addressOf = (c: Context): string =>
  (c.env as object | undefined) === undefined ? '' : (getConnInfo(c).remote.address ?? '');
