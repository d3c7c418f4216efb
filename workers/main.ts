/** Entry of a worker process that `selm run` starts: it ends with its parent, who tells of failures. */
import { endAtStrayErrors } from '../data/stray-errors.ts';
import { graceSeconds, runWorkers, STOP_SECONDS, type Role } from './worker.ts';

endAtStrayErrors();
const stop = new AbortController();
process.once('disconnect', () => {
  stop.abort();
  // A server that is gone as well would keep it waiting for ever.
  setTimeout(() => process.exit(1), (STOP_SECONDS + graceSeconds()) * 1000).unref();
});
await runWorkers([process.argv[2] as Role], { logLevel: 'ERROR', stop: stop.signal });
process.exit();
