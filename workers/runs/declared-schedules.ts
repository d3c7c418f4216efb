/** Schedules that a deployment declares in SELM_SCHEDULES: created, changed and removed to match the declaration. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ScheduleNotFoundError, type Client } from '@temporalio/client';
import { z } from 'zod';
import { hashValue } from '../../artifacts/hash.ts';
import { InputError } from '../../data/errors.ts';
import { parseYaml } from '../../data/yaml.ts';
import { scheduleSchema, type Calendar } from '../../config/schedule.ts';
import { loadConfig, readConfig } from '../../config/load.ts';
import type { RunConfig } from '../../config/run.ts';
import { createSchedule, SCHEDULE_PREFIX, scheduleId } from './schedules.ts';

const declarationSchema = z.array(scheduleSchema);

export interface Declared {
  config: RunConfig;
  calendar: Calendar;
}

/** The memo key for a schedule's deployment and the hash of its declaration. */
const MEMO = 'selm-declared';

/** Deployments that share a server do not change each other's schedules. */
const deployment = () => process.env['SELM_DEPLOYMENT'] ?? '';

const isDeclaredHere = (memo: unknown): boolean => typeof memo === 'string' && memo.startsWith(`${deployment()}@`);

/**
 * Reads SELM_SCHEDULES: a YAML or JSON file, or JSON text, `[{ run, cron, timezone, overlap }]`. `run` is a run's configuration, or the
 * path of its YAML file relative to the declaration.
 * @throws InputError when it cannot be read
 */
export function declaredSchedules(): Declared[] | undefined {
  const given = process.env['SELM_SCHEDULES'];
  if (!given) return undefined;
  const inline = /^\s*\[/.test(given);
  if (!inline && !existsSync(given))
    throw new InputError(`SELM_SCHEDULES: ${given} does not exist; give a file or JSON.`);
  const what = inline ? 'SELM_SCHEDULES' : `SELM_SCHEDULES (${given})`;
  const parsed = declarationSchema.safeParse(parseYaml(inline ? given : readFileSync(given, 'utf8'), what));
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new InputError(
      `${what}: "${path.join('.')}" is not valid (${message}); give [{ run, cron, timezone, overlap }].`,
    );
  }
  const folder = inline ? '.' : dirname(given);
  const declared = parsed.data.map(({ run, ...calendar }) => ({
    config: typeof run === 'string' ? loadConfig(resolve(folder, run)) : readConfig(what, run, folder),
    calendar,
  }));
  const names = declared.map(({ config }) => config.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new InputError(`${what} has two schedules of run "${twice}": give each run its own name.`);
  return declared;
}

/**
 * Makes the server's schedules match the declaration. Schedules without the memo were created manually and are left unchanged.
 * Several workers may call this concurrently.
 * @throws InputError when a calendar is not valid, or a schedule of that name was created manually
 */
export async function declareSchedules(client: Client, declared: Declared[]): Promise<void> {
  const known = new Map<string, unknown>();
  for await (const { scheduleId: id, memo } of client.schedule.list()) {
    if (id.startsWith(SCHEDULE_PREFIX)) known.set(id, memo?.[MEMO]);
  }
  const wanted = new Set(declared.map(({ config }) => scheduleId(config.name)));
  for (const { config, calendar } of declared) {
    const fingerprint = `${deployment()}@${hashValue([config, calendar])}`;
    const before = known.get(scheduleId(config.name));
    if (before !== fingerprint) await put(client, { config, calendar }, fingerprint);
  }
  for (const [id, memo] of known) {
    if (!isDeclaredHere(memo) || wanted.has(id)) continue;
    await removeSchedule(client, id);
  }
}

/** Temporal writes a memo only on creation, so a changed schedule is deleted and created again. A paused schedule stays paused. */
async function put(client: Client, { config, calendar }: Declared, fingerprint: string): Promise<void> {
  const handle = client.schedule.getHandle(scheduleId(config.name));
  const before = await handle.describe().catch((error: unknown) => {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  });
  if (before && !isDeclaredHere(before.memo?.[MEMO])) {
    throw new InputError(
      `SELM_SCHEDULES: schedule "${config.name}" was made by hand or by another deployment; ` +
        `delete it first (selm schedule delete ${config.name}).`,
    );
  }
  if (before?.memo?.[MEMO] === fingerprint) return;
  if (before) await removeSchedule(client, scheduleId(config.name));
  try {
    await createSchedule(client, config, calendar, { [MEMO]: fingerprint }, before?.state.paused);
  } catch (error) {
    // Another worker has created the same schedule.
    const now = await handle.describe().catch(() => undefined);
    if (now?.memo?.[MEMO] !== fingerprint) throw error;
  }
}

async function removeSchedule(client: Client, id: string): Promise<void> {
  await client.schedule
    .getHandle(id)
    .delete()
    .catch((error: unknown) => {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    });
}
