/** Ends a worker process when its parent has ended. */
import { Worker } from 'node:worker_threads';

const WATCH_MILLISECONDS = 1000;

/** Runs in a separate thread, because the main thread may be blocked, for example by a labeler module. */
const WATCH = `
const { workerData: { parent, milliseconds } } = require('node:worker_threads');
const kill = () => {
  // Includes the engine, which is in the worker's process group.
  try { process.kill(-process.pid, 'SIGKILL'); } catch { process.kill(process.pid, 'SIGKILL'); }
};
const watch = setInterval(() => {
  if (process.ppid === parent) return;
  clearInterval(watch);
  setTimeout(kill, milliseconds);
}, ${WATCH_MILLISECONDS});
`;

/** Kills this process and its process group if it still runs `seconds` after its parent has ended. */
export function endAfterParent(seconds: number): void {
  const workerData = { parent: process.ppid, milliseconds: seconds * 1000 };
  new Worker(WATCH, { eval: true, execArgv: [], workerData }).unref();
}
