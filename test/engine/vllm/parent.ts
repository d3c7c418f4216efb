/** A process that starts a server, for a test that kills it. Reports how the server was started. */
import { ask, startHost } from './stand-in.ts';

const serving = await startHost().serve({ model: process.argv[2] }, 100, { args: [], device: 'cpu' });
process.send!(await ask(serving));
