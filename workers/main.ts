/** Entry of a worker process that `selm run` starts: it ends with its parent, who tells of failures. */
import { graceSeconds, runWorkers, type Role } from './worker.ts';

/** Of an orderly end, which a server that is gone as well would keep waiting for ever. */
const STOP_SECONDS = 30;

const stop = new AbortController();
process.once('disconnect', () => {
  stop.abort();
  setTimeout(() => process.exit(1), (STOP_SECONDS + graceSeconds()) * 1000).unref();
});
await runWorkers([process.argv[2] as Role], { logLevel: 'ERROR', stop: stop.signal });
process.exit();
