/** A bound on what a user's own patterns compute: a regular expression can take forever on a short text. */
import { Script } from 'node:vm';

const LIMIT_SECONDS = 5;
const LONGEST_SECONDS = 4 * LIMIT_SECONDS;
/** Of the limit: where the process had less of the processor, it was stopped or waited for its turn, and is given more time. */
const SHARE = 0.8;

/** The action did not end in time. */
export class TimeLimitReached extends Error {
  override readonly name = 'TimeLimitReached';
  constructor() {
    super(`did not end in ${LIMIT_SECONDS} s`);
  }
}

/** Where the script finds what it is to run. */
const NAME = 'selm.withinTime';
const place = globalThis as unknown as Record<symbol, () => void>;
/** V8 can stop what a script does, regular expressions included. */
const script = new Script(`globalThis[Symbol.for('${NAME}')]()`);

/**
 * Runs a function, which may run again from its beginning and so must change nothing. This takes 0.1 ms: what is quick is to be done
 * several at a time.
 * @throws TimeLimitReached after 5 s of the processor, or at the latest after 35 s
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
