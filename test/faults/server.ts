import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a home folder's server.json says, if it is there. */
export function readServer(home: string): { address: string; pid: number } | undefined {
  try {
    return JSON.parse(readFileSync(join(home, 'server.json'), 'utf8')) as { address: string; pid: number };
  } catch {
    return undefined;
  }
}
