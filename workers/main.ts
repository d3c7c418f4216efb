/** Entry of a worker process that `selm run` starts: it ends with its parent, who tells of failures. */
import { runWorkers, type Role } from './worker.ts';

const stop = new AbortController();
process.once('disconnect', () => stop.abort());
await runWorkers([process.argv[2] as Role], { logLevel: 'ERROR', stop: stop.signal });
process.exit();
