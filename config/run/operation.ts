/** The sections `onFailure` and `budget` of a run: when it tries again, and when it stops to ask. */
import { z } from 'zod';

export const onFailureSchema = z.strictObject({
  retries: z
    .int()
    .min(0)
    .default(0)
    .describe('How often a failed round is retried automatically. Bad input is never retried.'),
  backoff: z
    .number()
    .positive()
    .default(60)
    .describe('Seconds before the first of these retries; each further one waits twice as long.'),
});

export const budgetSchema = z.strictObject({
  usdPerGpuHour: z.number().positive().describe('Price of one GPU worker per hour, in US dollars.'),
  usd: z
    .number()
    .positive()
    .describe(
      'What the run may spend on GPU workers, in US dollars. When it is spent, the activities in progress finish, ' +
        'and the run waits for a decision.',
    ),
});
