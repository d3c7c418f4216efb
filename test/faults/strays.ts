/** What file managers, network file systems and people leave in a store's folders. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fault } from './fault.ts';

const HIDDEN = { '.DS_Store': '\0\0\0\u0001Bud1', '.nfs00000000a1b2c3d4': '' };
/** An empty file and one whose text is no address, one of them named as a step's key or an artifact is. */
const VISIBLE = { empty: '', 'notes.txt': 'no address\n', ['f'.repeat(64)]: '' };

const FOLDERS = ['steps', 'names', 'objects', 'servers', 'checkpoints', 'unfinished'];
/** Folders whose own folders get some, too. */
const DEEP = ['names', 'objects', 'checkpoints'];

export const leaveStrays: Fault = ({ store }) => {
  const present = FOLDERS.map((name) => join(store, name)).filter((folder) => existsSync(folder));
  if (present.length === 0) return false;
  for (const folder of [store, ...present, ...DEEP.flatMap((name) => foldersIn(join(store, name)))]) {
    leave(folder, { ...HIDDEN, ...VISIBLE });
  }
  // What is visible in an artifact that is being made is part of it.
  for (const folder of foldersIn(join(store, 'unfinished'))) leave(folder, HIDDEN);
  return true;
};

function leave(folder: string, files: Record<string, string>): void {
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  } catch (error) {
    // An artifact that has just found its place, a checkpoint that is no longer needed.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function foldersIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
}
