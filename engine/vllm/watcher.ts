/**
 * Entry point of the process beside each vLLM server. It starts the server in its own process group and ends the whole group when the
 * server or the worker has ended, even if the worker was killed: no process stays on a GPU.
 */
import { spawn } from 'node:child_process';
import { STOP_SIGNALS } from '../../data/stop-signals.ts';
import type { ServerEnd } from './process.ts';

// Also ends this process.
const endGroup = () => process.kill(-process.pid, 'SIGKILL');

const [command, ...args] = process.argv.slice(2);
const server = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
const report = (end: ServerEnd) => process.send!(end, endGroup);
server.once('exit', (code, signal) => report({ code, signal }));
server.once('error', ({ message }) => report({ failed: message }));

// The only message is the request to stop.
process.on('message', () => server.kill('SIGTERM'));
process.on('disconnect', endGroup);
for (const signal of STOP_SIGNALS) process.on(signal, () => {});
