/** A process that uses the embedded server: it tells its address, and leaves when it is told to. */
import { joinDevServer, leaveDevServer } from '../../workers/dev-server.ts';

process.send!({ address: await joinDevServer((said) => process.send!({ said })) });
process.once('message', () => void leaveDevServer().then(() => process.exit()));
