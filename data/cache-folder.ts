/** The folder of files that are built or downloaded once per machine. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** SELM_CACHE, by default ~/.cache/selm. */
export const cacheFolder = () => resolve(process.env['SELM_CACHE'] || join(homedir(), '.cache', 'selm'));
