/** Waiting for what another process does. */
import { setTimeout as sleep } from 'node:timers/promises';

const ATTEMPT_MILLISECONDS = 100;
/** How often the log says what is waited for: once a minute. */
const ATTEMPTS_PER_REPORT = 600;

/**
 * Waits until `condition` gives a value that is true, and returns it. Vitest's timeout is the only bound: a busy machine takes long.
 * @param explain what else to say while it waits for minutes, such as a log
 */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined> | T | undefined,
  explain: () => string = () => '',
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const value = await condition();
    if (value) return value;
    if (attempt % ATTEMPTS_PER_REPORT === 0) console.error(`Still waiting: ${what}. ${explain()}`);
    await sleep(ATTEMPT_MILLISECONDS);
  }
}
