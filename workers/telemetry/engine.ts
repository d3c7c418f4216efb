/** The engine with its work counted: as it goes, not when a step of hours has ended. */
import type { Engine, Progress } from '../../engine/protocol/jobs.ts';
import type { Metrics } from './metrics.ts';

export function measureEngine(engine: Engine, metrics: Metrics): Engine {
  return {
    close: () => engine.close(),
    run(method, job, options = {}) {
      let last: Pick<Progress, 'done' | 'tokens'> | undefined;
      let since = performance.now();
      return engine.run(method, job, {
        ...options,
        onProgress(progress) {
          const done = progress.done - (last?.done ?? 0);
          const tokens = progress.tokens - (last?.tokens ?? 0);
          if (method === 'sample' && tokens > 0) metrics.add('sampled_tokens', tokens);
          // A training that goes on from a checkpoint begins with the steps before it: only what follows its first word is new.
          if (progress.unit === 'steps' && done > 0 && (last || done === 1)) {
            const now = performance.now();
            metrics.add('training_steps', done);
            metrics.record('step_seconds', (now - since) / 1000 / done);
            since = now;
          } else if (progress.unit === 'steps') since = performance.now();
          last = progress;
          options.onProgress?.(progress);
        },
      });
    },
  };
}
