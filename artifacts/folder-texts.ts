/** Small texts in a local folder. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inTurns } from '../data/in-turns.ts';
import { unlessAbsent, writeDurably } from './files.ts';
import type { Texts } from './texts.ts';

/** The texts in the files below a folder. */
export function folderTexts(root: string): Texts {
  const entriesOf = async (folder: string) => (await unlessAbsent(readdir(join(root, folder)))) ?? [];

  /** The paths of the entries of all folders in a folder. */
  async function listBelow(folder: string): Promise<string[]> {
    const entries = (await unlessAbsent(readdir(join(root, folder), { withFileTypes: true }))) ?? [];
    const folders = entries.filter((entry) => !entry.isFile()).map((entry) => entry.name);
    const paths = await inTurns(folders, async (name) =>
      (await entriesOf(join(folder, name))).map((entry) => `${name}/${entry}`),
    );
    return paths.flat();
  }

  /** Writes a hidden file in the folder of a path. @returns the file */
  async function writeBeside(path: string, text: string): Promise<string> {
    const folder = dirname(join(root, path));
    await mkdir(folder, { recursive: true });
    const temporary = join(folder, `.${randomUUID()}`);
    await writeDurably(temporary, text);
    return temporary;
  }

  return {
    place: root,
    list: (folder, depth) => (depth === 1 ? entriesOf(folder) : listBelow(folder)),
    read: (path) => unlessAbsent(readFile(join(root, path), 'utf8')),
    write: async (path, text) => rename(await writeBeside(path, text), join(root, path)),
    async writeOnce(path, text) {
      const temporary = await writeBeside(path, text);
      // Unlike rename(), link() does not replace a file that another process has just written.
      const written = await link(temporary, join(root, path)).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
          return false;
        },
      );
      await rm(temporary);
      return written;
    },
  };
}
