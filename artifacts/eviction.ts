/** Keeps the local cache of a store below its size. */
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { inTurns } from '../data/in-turns.ts';
import { unlessDamaged } from './errors.ts';
import { unlessAbsent } from './files.ts';
import type { LocalStore } from './local-store.ts';
import { MANIFEST } from './manifest.ts';

/** What was used within this time stays in the cache: a step that runs marks it again and again (data/in-use.ts). */
const IN_USE_MILLISECONDS = 3600_000;

/**
 * Removes what was used longest ago, until `incoming` more bytes fit: artifacts, parts of artifacts, and checkpoints of steps that other
 * machines may have finished.
 */
export async function evict(cache: LocalStore, limitBytes: number, incoming: number): Promise<void> {
  const artifacts = await inTurns(await cache.list(), async ({ address, manifest }) => ({
    bytes: manifest.files.reduce((total, { size }) => total + size, 0),
    // Another process may have removed it by now.
    used: (await unlessAbsent(stat(join(cache.artifacts.folderOf(address), MANIFEST))))?.mtimeMs ?? Infinity,
    remove: () => unlessDamaged(cache.remove(address)),
  }));
  const others = await inTurns(['checkpoints', 'parts'] as const, (kind) => cache.listFolders(kind));
  const folders = others.flat().map(({ folder, ...entry }) => ({
    ...entry,
    remove: () => rm(folder, { recursive: true, force: true }),
  }));
  const all = [...artifacts, ...folders];
  let bytes = all.reduce((total, entry) => total + entry.bytes, incoming);
  for (const entry of all.sort((a, b) => a.used - b.used)) {
    if (bytes <= limitBytes || Date.now() - entry.used < IN_USE_MILLISECONDS) return;
    await entry.remove();
    bytes -= entry.bytes;
  }
}
