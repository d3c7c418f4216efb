/** Files that the user may not access: one sentence, exit code 2. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { entry } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const NOBODY = 65_534;

/** Runs `selm` as a user who may do nothing but read what all may read. */
async function asNobody(args: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, [entry, ...args], {
    uid: NOBODY,
    gid: NOBODY,
    env: { ...process.env, ...env },
  });
  const [[code], stderr] = await Promise.all([once(child, 'close') as Promise<[number]>, text(child.stderr)]);
  return [code, stderr];
}

describe.skipIf(process.getuid?.() !== 0)('of another user', () => {
  chmodSync(folder, 0o755);
  const store = join(folder, 'store');
  mkdirSync(join(store, 'names'), { recursive: true });
  const env = { SELM_STORE: store, SELM_HOME: join(folder, 'home') };

  test('a store that cannot be read', async () => {
    chmodSync(store, 0o700);
    expect(await asNobody(['policies'], env)).toEqual([
      2,
      `selm: The store ${store} cannot be read (EACCES): correct its permissions, or set SELM_STORE to another folder.\n`,
    ]);
  });

  test('a folder in it that cannot be read', async () => {
    chmodSync(store, 0o755);
    chmodSync(join(store, 'names'), 0o700);
    expect(await asNobody(['policies'], env)).toEqual([
      2,
      `selm: ${join(store, 'names')} cannot be accessed (EACCES): correct its permissions.\n`,
    ]);
  });

  test('a store that a run cannot write', async () => {
    chmodSync(store, 0o755);
    const file = join(folder, 'run.yaml');
    const prompts = { train: './train.jsonl', heldOut: './held-out.jsonl' };
    writeFileSync(file, stringify({ name: 'tiny', model: './model', prompts }));
    expect(await asNobody(['run', file], env)).toEqual([
      2,
      `selm: The store ${store} cannot be written (EACCES): correct its permissions, or set SELM_STORE to another folder.\n`,
    ]);
  });
});
