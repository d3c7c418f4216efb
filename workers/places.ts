/** selm's folders on this machine. */
import { resolve } from 'node:path';

export { cacheFolder } from '../data/cache-folder.ts';

/**
 * State of the runs started here: artifacts and the embedded server's database. SELM_HOME, by default `.selm` in the working folder. An
 * empty variable counts as none, since "" would be the working folder itself.
 */
export const homeFolder = () => resolve(process.env['SELM_HOME'] || '.selm');
