import { Command } from 'commander';
import type { ScheduleHandle } from '@temporalio/client';
import { createSchedule, listSchedules, withSchedule } from '../../workers/runs/schedules.ts';
import type { Settings } from '../../config/changes.ts';
import { calendarSchema } from '../../config/schedule.ts';
import { loadConfig } from '../../config/load.ts';
import { withServer } from '../server.ts';
import { SettingsFlags, type GivenFlags } from '../settings.ts';
import { setOption } from '../set-option.ts';
import { jsonOption, summarize } from '../step.ts';

const calendarFlags = new SettingsFlags(calendarSchema, {
  named: { cron: 'cron <expression>', timezone: 'timezone <name>' },
});

/** The commands for an existing schedule, with their messages. */
const ACTIONS: Record<string, { about: string; done: string; act: (schedule: ScheduleHandle) => Promise<void> }> = {
  pause: { about: 'Pause a schedule: it starts no runs.', done: 'is paused', act: (schedule) => schedule.pause() },
  resume: { about: 'Resume a paused schedule.', done: 'is resumed', act: (schedule) => schedule.unpause() },
  trigger: { about: 'Start a run of a schedule now.', done: 'starts a run', act: (schedule) => schedule.trigger() },
  delete: { about: 'Delete a schedule; its runs stay.', done: 'is deleted', act: (schedule) => schedule.delete() },
};

/** `selm schedule`: manage runs that start at given times. */
export function scheduleCommand(): Command {
  const schedule = new Command('schedule').description(
    'Start runs on a schedule, each from the last policy of its name, with prompts that no earlier run has used.',
  );
  const create = schedule
    .command('create')
    .description('Create a schedule for a run.')
    .argument('<config>', "A run's YAML file (docs/config.md); its paths are those of the workers.");
  calendarFlags
    .addTo(create)
    .addOption(setOption('Replace a setting of the file, for all runs of the schedule.'))
    .addOption(jsonOption())
    .action(async (file: string, flags: GivenFlags & { set?: Settings; json?: boolean }) => {
      const calendar = calendarFlags.read(flags);
      const config = loadConfig(file, flags.set);
      await withServer((client) => createSchedule(client, config, calendar));
      const { name } = config;
      const { cron, timezone } = calendar;
      summarize(flags, { name, cron }, `Schedule "${name}" is created: ${cron} (${timezone}).`);
    });
  schedule
    .command('list')
    .description('List the schedules.')
    .addOption(jsonOption())
    .action(async ({ json }: { json?: boolean }) => {
      const schedules = await withServer(listSchedules);
      if (json) return console.log(JSON.stringify(schedules));
      if (schedules.length === 0) console.log('There are no schedules.');
      for (const { name, paused, next, lastRun } of schedules) {
        const state = paused ? 'paused' : `next run ${next?.toISOString() ?? 'never'}`;
        console.log(`${name}: ${state}${lastRun === undefined ? '' : `, last run ${lastRun}`}`);
      }
    });
  for (const [action, { about, done, act }] of Object.entries(ACTIONS)) {
    schedule
      .command(action)
      .description(about)
      .argument('<name>', 'Name of the schedule, which is that of its run.')
      .action(async (name: string) => {
        await withServer((client) => withSchedule(client, name, act));
        console.log(`Schedule "${name}" ${done}.`);
      });
  }
  return schedule;
}
