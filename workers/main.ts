/** Entry of a worker process that `selm run` starts: it ends with its parent. */
import { runWorker, type Role } from './worker.ts';

const stop = new AbortController();
process.once('disconnect', () => stop.abort());
await runWorker(process.argv[2] as Role, stop.signal);
process.exit();
