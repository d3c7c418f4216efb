/** Who a request is from, and what they may do. */
import type { Context } from 'hono';

/** viewer: see runs and policies. labeler: vote. operator: decide about runs. */
export type Role = 'viewer' | 'labeler' | 'operator';

export interface Identity {
  /** The person's name. Undefined for somebody who has not signed in. */
  name?: string;
  roles: readonly Role[];
}

/** Hono's context in all pages. */
export interface WebEnv {
  Variables: {
    identity: Identity;
    /** The token that forms must contain (csrf.ts). Undefined for somebody who has not signed in. */
    csrf?: string;
  };
}

/** The name of the person that a request is from. Only behind requireRole('labeler' | 'operator'), which requires a person. */
export const personOf = (c: Context<WebEnv>): string => c.get('identity').name!;
