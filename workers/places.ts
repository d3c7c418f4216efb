/** Where selm keeps what it keeps on this machine. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** State of the runs started here: artifacts, and the embedded server's database. SELM_HOME, else `.selm` in the working folder. */
export const homeFolder = () => resolve(process.env['SELM_HOME'] ?? '.selm');

/** What is made or fetched once a machine: SELM_CACHE, else ~/.cache/selm. */
export const cacheFolder = () => resolve(process.env['SELM_CACHE'] ?? join(homedir(), '.cache', 'selm'));
