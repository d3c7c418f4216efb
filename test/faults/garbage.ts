/** Garbage collection beside a run, and after it. */
import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { selm } from '../command.ts';
import { sha256, sorted } from './oracle.ts';
import type { Fault } from './fault.ts';

const PAUSE_MILLISECONDS = 3000;

const collect = (env: Record<string, string>) => selm(['gc', '--delete', '--keep-days', '0', '--json'], env);

/** In a loop until the run has ended. What else happens may make it fail: that is no loss. */
export const collectGarbage: Fault = ({ env, beside }) => {
  beside(async (hasEnded) => {
    while (!hasEnded()) {
      await collect(env);
      await sleep(PAUSE_MILLISECONDS);
    }
  });
  return true;
};

/** An artifact that nothing reaches, older than any run. @returns its folder */
function leaveOrphan(store: string): string {
  const recipe = { step: 'orphan', parameters: {}, inputs: {}, seed: 0, engineVersion: '0' };
  const manifest = { kind: 'orphan', files: [], recipe };
  const folder = join(store, 'objects', sha256(sorted(manifest)));
  mkdirSync(folder);
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  const dayAgo = new Date(Date.now() - 24 * 3600_000);
  utimesSync(folder, dayAgo, dayAgo);
  return folder;
}

/** @throws Error when it fails, or leaves what nothing reaches */
export async function collectAfterwards(env: Record<string, string>, store: string): Promise<void> {
  const orphan = leaveOrphan(store);
  const { code, stderr } = await collect(env);
  if (code !== 0 || existsSync(orphan)) throw new Error(`selm gc ended with ${code}: ${stderr}`);
}
