/** Metrics of the engine's work, updated while a step runs, because a step may take hours. */
import type { Engine, Progress } from '../../engine/protocol/jobs.ts';
import type { Metrics } from './metrics.ts';

/** An engine that counts training steps while its jobs run. */
export function measureEngine(engine: Engine, metrics: Metrics): Engine {
  return {
    close: () => engine.close(),
    version: (settings) => engine.version(settings),
    run(method, job, options = {}) {
      let last: Pick<Progress, 'done'> | undefined;
      let since = performance.now();
      return engine.run(method, job, {
        ...options,
        onProgress(progress) {
          const done = progress.done - (last?.done ?? 0);
          // A training that resumes first reports the steps before its checkpoint, which are not counted.
          const isNew = progress.resumedFromStep === undefined && (last || done === 1);
          if (progress.unit === 'steps' && done > 0 && isNew) {
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
