/** Entry point of a worker process of `selm run`. It ends when its parent ends. The parent reports failures. */
import { endAtStrayErrors } from '../data/stray-errors.ts';
import { endAfterParent } from './parent.ts';
import { graceSeconds, runWorkers, STOP_SECONDS, type Role } from './worker.ts';

endAtStrayErrors();
const stop = new AbortController();
process.once('disconnect', () => stop.abort());
endAfterParent(STOP_SECONDS + graceSeconds());
await runWorkers([process.argv[2] as Role], { logLevel: 'ERROR', stop: stop.signal });
process.exit();
