/** A time limit for users' regular expressions, which may take unlimited time on a short text. */
import { Script } from 'node:vm';

const LIMIT_SECONDS = 5;
const LONGEST_SECONDS = 4 * LIMIT_SECONDS;
/** Minimum share of CPU time in the limit. A process with less was suspended or had to wait, and gets more time. */
const SHARE = 0.8;

/** The action did not end in time. */
export class TimeLimitReached extends Error {
  override readonly name = 'TimeLimitReached';
  constructor() {
    super(`did not end in ${LIMIT_SECONDS} s`);
  }
}

/** The global object, on which the script finds the function to run. */
const NAME = 'selm.withinTime';
const place = globalThis as unknown as Record<symbol, () => void>;
/** V8 can interrupt a script, including its regular expressions. */
const script = new Script(`globalThis[Symbol.for('${NAME}')]()`);

/**
 * Runs a function with a time limit. It may be run again from its beginning, so it must have no side effects. The overhead is 0.1 ms:
 * combine quick operations.
 * @throws TimeLimitReached after 5 s of CPU time, or at the latest after 35 s
 */
export function withinTime<T>(action: () => T): T {
  let result: T;
  for (let seconds = LIMIT_SECONDS; ; seconds *= 2) {
    const start = process.cpuUsage();
    try {
      place[Symbol.for(NAME)] = () => (result = action());
      script.runInThisContext({ timeout: seconds * 1000 });
      return result!;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
      const { user, system } = process.cpuUsage(start);
      if (user + system > SHARE * LIMIT_SECONDS * 1e6 || seconds >= LONGEST_SECONDS) throw new TimeLimitReached();
    }
  }
}
