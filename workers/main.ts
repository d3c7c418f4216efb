/** Entry point of a worker process of `selm run`. It ends when its parent ends. The parent reports failures. */
import { endAtStrayErrors } from '../data/stray-errors.ts';
import { graceSeconds, STOP_SECONDS } from './grace.ts';
import { endAfterParent } from './parent.ts';
import type { Role } from './roles.ts';
import { runWorkers } from './worker.ts';

endAtStrayErrors();
const stop = new AbortController();
// The parent may have ended while this process loaded its modules.
if (process.connected) process.once('disconnect', () => stop.abort());
else stop.abort();
endAfterParent(STOP_SECONDS + graceSeconds());
await runWorkers(process.argv.slice(2) as Role[], { logLevel: 'ERROR', stop: stop.signal });
process.exit();
