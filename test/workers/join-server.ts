/** A process that uses the embedded server: it prints the address and leaves on request. */
import { joinDevServer, leaveDevServer } from '../../workers/dev-server.ts';

process.send!({ address: await joinDevServer((said) => process.send!({ said })) });
process.once('message', () => void leaveDevServer().then(() => process.exit()));
