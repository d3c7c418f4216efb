/** Finds the home folder's server: by server.json, or in the process list if that file is missing or outdated. */
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { homeFolder } from '../places.ts';

const registrationSchema = z.object({
  address: z.string(),
  pid: z.int(),
  /** Whether the server has ever answered. Until then its database may be incomplete and holds no run. */
  served: z.boolean(),
});
export type Registration = z.infer<typeof registrationSchema>;

const registrationFile = () => join(homeFolder(), 'server.json');
/** The path of the embedded server's database. */
export const database = (home = homeFolder()) => join(home, 'temporal.db');

/** The content of server.json. @returns undefined if it is missing or incomplete */
export function readRegistration(): Registration | undefined {
  try {
    return registrationSchema.parse(JSON.parse(readFileSync(registrationFile(), 'utf8')));
  } catch {
    return undefined;
  }
}

/** Writes server.json atomically. */
export function register(registration: Registration): Registration {
  const temporary = `${registrationFile()}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(registration));
  renameSync(temporary, registrationFile());
  return registration;
}

/** The server's first arguments for this home folder's database. The port follows. */
export const serverArguments = () => [
  'server',
  'start-dev',
  '--db-filename',
  database(),
  '--ip',
  '127.0.0.1',
  '--port',
];

/** Finds the server's process by its command line. @returns undefined if it does not run, or if `ps` is not available */
export function findServerProcess(): Registration | undefined {
  let lines: string[];
  try {
    lines = execFileSync('ps', ['-A', '-ww', '-o', 'pid=,args='], { encoding: 'utf8', stdio: 'pipe' }).split('\n');
  } catch {
    return undefined;
  }
  const line = lines.find((text) => text.includes(serverArguments().join(' ')));
  const [, pid, port] = /^\s*(\d+) .* --port (\d+)/.exec(line ?? '') ?? [];
  return port === undefined ? undefined : { address: `127.0.0.1:${port}`, pid: Number(pid), served: true };
}
