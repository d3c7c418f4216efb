/** Pages for people with a role. */
import type { MiddlewareHandler } from 'hono';
import type { Role, WebEnv } from './identity.ts';
import { problem } from './respond.ts';

const DEEDS: Record<Role, string> = {
  viewer: 'see runs and policies',
  labeler: 'vote',
  operator: 'decide about runs',
};

/** Answers 403 to requests from others than people with `role`. */
export const requireRole =
  (role: Role): MiddlewareHandler<WebEnv> =>
  async (c, next) => {
    const { name, roles } = c.get('identity');
    // A vote and a decision are recorded with a name.
    if (roles.includes(role) && (role === 'viewer' || name !== undefined)) return next();
    if (name !== undefined) return problem(c, 403, `You are signed in as "${name}", who may not ${DEEDS[role]}.`);
    return problem(
      c,
      403,
      `To ${DEEDS[role]}, open your invitation link first; it may have expired or been revoked, then ask for a new one.`,
    );
  };
