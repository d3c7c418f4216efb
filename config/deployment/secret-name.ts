import { z } from 'zod';

/** The name of a secret in Secrets Manager, in the account and region of the deployment. */
export const secretName = z
  .string()
  .regex(/^[\w/+=.@-]+$/, 'expected the name of a secret in Secrets Manager, not its ARN');
