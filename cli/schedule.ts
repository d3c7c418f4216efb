import { Command, Option } from 'commander';
import type { ScheduleHandle } from '@temporalio/client';
import { createSchedule, listSchedules, withSchedule } from '../workers/schedules.ts';
import { calendarSchema, type Calendar } from '../config/schedule.ts';
import { loadConfig } from '../config/load.ts';
import { withServer } from './server.ts';
import { jsonOption, summarize } from './step.ts';

/** What can be done with a schedule, by its command, and how to say that it is done. */
const ACTIONS: Record<string, { about: string; done: string; act: (schedule: ScheduleHandle) => Promise<void> }> = {
  pause: { about: 'Start no more runs.', done: 'is paused', act: (schedule) => schedule.pause() },
  resume: { about: 'Start runs again.', done: 'goes on', act: (schedule) => schedule.unpause() },
  trigger: { about: 'Start a run now.', done: 'starts a run', act: (schedule) => schedule.trigger() },
  delete: { about: 'Delete it; its runs stay.', done: 'is deleted', act: (schedule) => schedule.delete() },
};

/** `selm schedule`: runs by the clock. */
export function scheduleCommand(): Command {
  const schedule = new Command('schedule').description(
    'Start runs by the clock, each from the last policy of its name, with prompts not used yet.',
  );
  schedule
    .command('create')
    .description('Create a schedule for a run.')
    .argument('<config>', "A run's YAML file; its paths are those of the workers.")
    .requiredOption('--cron <expression>', 'When: five fields, as in crontab.')
    .option('--timezone <name>', 'Of the expression, such as Europe/Berlin.', 'UTC')
    .addOption(
      new Option('--overlap <policy>', 'A start while the run before goes on.')
        .choices(calendarSchema.shape.overlap.unwrap().options)
        .default('skip'),
    )
    .addOption(jsonOption())
    .action(async (file: string, flags: Calendar & { json?: boolean }) => {
      const config = loadConfig(file);
      await withServer((client) => createSchedule(client, config, flags));
      const { name } = config;
      summarize(flags, { name, cron: flags.cron }, `Schedule "${name}" is created: ${flags.cron} (${flags.timezone}).`);
    });
  schedule
    .command('list')
    .description('List the schedules.')
    .addOption(jsonOption())
    .action(async ({ json }: { json?: boolean }) => {
      const schedules = await withServer(listSchedules);
      if (json) return console.log(JSON.stringify(schedules));
      for (const { name, paused, next, lastRun } of schedules) {
        const coming = paused ? 'paused' : `next run ${next?.toISOString() ?? 'never'}`;
        console.log(`${name}: ${coming}${lastRun === undefined ? '' : `, last run ${lastRun}`}`);
      }
    });
  for (const [action, { about, done, act }] of Object.entries(ACTIONS)) {
    schedule
      .command(action)
      .description(about)
      .argument('<name>', "The schedule's name: that of its run.")
      .action(async (name: string) => {
        await withServer((client) => withSchedule(client, name, act));
        console.log(`Schedule "${name}" ${done}.`);
      });
  }
  return schedule;
}
