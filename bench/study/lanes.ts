/** Runs of a study, several at a time in this process. */
import { join } from 'node:path';
import type { StepContext } from '../../activities/step.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { startEngine } from '../../engine/backends.ts';
import { cacheFolder } from '../../workers/places.ts';

/** Long timeout, so that engines do not count as hung after the study was suspended (SIGSTOP). */
const SILENCE_SECONDS = 7 * 24 * 3600;

/** Does `work` for each item of the plan, in order; each lane has an engine of its own. @param home the folder of the artifacts */
export async function inLanes<T>(
  home: string,
  lanes: number,
  plan: T[],
  work: (context: StepContext, item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...plan];
  const lane = async () => {
    const engine = startEngine({ silenceSeconds: SILENCE_SECONDS });
    const context = { store: new LocalStore(join(home, 'artifacts')), engine, cacheFolder: cacheFolder() };
    try {
      for (let next = waiting.shift(); next; next = waiting.shift()) await work(context, next);
    } finally {
      await engine.close();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
