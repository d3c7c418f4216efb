/** The sections `onFailure` and `budget` of a run: retries of failed rounds, and the limit on its costs. */
import { z } from 'zod';

export const onFailureSchema = z.strictObject({
  retries: z
    .int()
    .min(0)
    .default(0)
    .describe('Maximum number of automatic retries of a failed round. Bad input is never retried.'),
  backoff: z
    .number()
    .positive()
    .max(86_400)
    .default(60)
    .describe('Seconds before the first of these retries. The delay doubles with each further retry, up to a day.'),
});

export const budgetSchema = z.strictObject({
  usdPerGpuHour: z.number().positive().describe('Price of one GPU worker per hour, in US dollars.'),
  usd: z
    .number()
    .positive()
    .describe(
      'Maximum cost of GPU workers, in US dollars. When the run reaches it, the activities in progress finish, and the ' +
        'run waits for your decision.',
    ),
});
