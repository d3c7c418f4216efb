/** Scheduled runs: settings of `selm schedule create`, of a deployment's `schedules` and of SELM_SCHEDULES. */
import { z } from 'zod';

export const calendarSchema = z.strictObject({
  cron: z.string().describe('Start times: a cron expression with five fields, such as `0 3 * * 1`.'),
  timezone: z.string().default('UTC').describe('Time zone of the cron expression, such as `Europe/Berlin`.'),
  overlap: z
    .enum(['skip', 'buffer-one', 'buffer-all'])
    .default('skip')
    .describe(
      'What happens at a start time while the previous run is in progress: `skip` starts no run, ' +
        '`buffer-one` starts one run afterwards, `buffer-all` all of them.',
    ),
});

export type Calendar = z.output<typeof calendarSchema>;

export const scheduleSchema = calendarSchema.extend({
  run: z
    .union([z.string(), z.record(z.string(), z.unknown())], { error: "expected a run's YAML file" })
    .describe(
      "The run's YAML file, relative to this file, or its settings. It may name no path (hub ids and policies, no " +
        '`output`), since the workers share no folder.',
    ),
});
