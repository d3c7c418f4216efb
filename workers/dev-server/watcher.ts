/** Entry point of the watcher process of each embedded server. It ends the server if all processes that used it were killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { endUnusedServer, serverLock } from './end.ts';
import { readRegistration } from './registration.ts';
import { FileLock } from '../file-lock.ts';

const WATCH_MILLISECONDS = 1000;

const pid = Number(process.argv[2]);
/** Whether the server still runs and has not been replaced by another server. */
const isCurrent = () => FileLock.isHeld(serverLock()) && (readRegistration()?.pid ?? pid) === pid;

do await sleep(WATCH_MILLISECONDS);
while (isCurrent() && !(await endUnusedServer(pid)));
