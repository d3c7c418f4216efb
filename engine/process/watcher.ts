/**
 * Entry point of the process beside each program of watched.ts. It starts the program in its own process group and ends the whole group
 * when the program or the worker has ended, even if the worker was killed: no process stays on a GPU.
 */
import { spawn } from 'node:child_process';
import { STOP_SIGNALS } from '../../data/stop-signals.ts';
import type { ProgramEnd } from './watched.ts';

// Also ends this process.
const endGroup = () => process.kill(-process.pid, 'SIGKILL');

// The worker may have ended while this process loaded its modules.
if (!process.connected) endGroup();

const [command, ...args] = process.argv.slice(2);
const program = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
const report = (end: ProgramEnd) => process.send!(end, endGroup);
program.once('exit', (code, signal) => report({ code, signal }));
program.once('error', ({ message }) => report({ failed: message }));

// The only message is the request to stop.
process.on('message', () => program.kill('SIGTERM'));
process.on('disconnect', endGroup);
for (const signal of STOP_SIGNALS) process.on(signal, () => {});
