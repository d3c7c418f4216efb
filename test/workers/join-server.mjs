/** A process that uses the embedded server, of the compiled package: it sends the address and leaves on request. */
import { join } from 'node:path';

const { joinDevServer, leaveDevServer } = await import(
  join(process.env.SELM_TEST_PACKAGE, 'workers/dev-server/dev-server.js')
);
process.send({ address: await joinDevServer((said) => process.send({ said })) });
process.once('message', () => void leaveDevServer().then(() => process.exit()));
