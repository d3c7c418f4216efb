/** selm's folders on this machine. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** State of the runs started here: artifacts and the embedded server's database. SELM_HOME, by default `.selm` in the working folder. */
export const homeFolder = () => resolve(process.env['SELM_HOME'] ?? '.selm');

/** Files that are built or downloaded once per machine. SELM_CACHE, by default ~/.cache/selm. */
export const cacheFolder = () => resolve(process.env['SELM_CACHE'] ?? join(homedir(), '.cache', 'selm'));
