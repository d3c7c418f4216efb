/** What a store that uploads checkpoints leaves in their folder, for the backend that writes them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonOf } from '../data/json.ts';

/**
 * Holds links to the files of a checkpoint while it is uploaded, so that they stay when a newer checkpoint takes its place. A backend
 * starts no checkpoint while it exists, except the last one of a training that is stopped: otherwise, disks fill where checkpoints are
 * written faster than uploaded (python/selm_torch/checkpoint.py).
 */
export const UPLOAD = '.upload';
/** How long the last upload took: `{ "seconds": … }`. Of a stopped training it decides whether a last checkpoint would be in time. */
export const UPLOADED = '.uploaded.json';

/**
 * How long it takes to upload a checkpoint that would be written now, in seconds: that of the last upload, after the one in progress. 0 if
 * there was none, as in a local store.
 */
export function uploadSeconds(folder: string): number {
  const file = join(folder, UPLOADED);
  if (!existsSync(file)) return 0;
  const { seconds = 0 } = (jsonOf(readFileSync(file, 'utf8')) ?? {}) as { seconds?: number };
  return seconds * (existsSync(join(folder, UPLOAD)) ? 2 : 1);
}
