/** The embedded server for those who work on it: started again when it dies. */
import { devServerRuns, joinDevServer, leaveDevServer } from './dev-server.ts';

const WATCH_MILLISECONDS = 1000;

/**
 * Makes the embedded server the environment's, and starts it again when it dies.
 * @param stopping whether it may end by now
 * @returns leaves it
 */
export async function keepServer(
  say: (message: string) => void,
  stopping: () => boolean,
): Promise<() => Promise<void>> {
  process.env['TEMPORAL_ADDRESS'] = await joinDevServer(say);
  let starting = false;
  const watch = setInterval(() => {
    if (starting || stopping() || devServerRuns()) return;
    starting = true;
    say("Temporal's dev server ended; starting it again.");
    joinDevServer(say)
      .catch((error: Error) => say(error.message))
      .finally(() => (starting = false));
  }, WATCH_MILLISECONDS);
  return async () => {
    clearInterval(watch);
    await leaveDevServer();
  };
}
