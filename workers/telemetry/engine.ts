/** Metrics of the engine's work, updated while a step runs, because a step may take hours. */
import type { Engine, Progress } from '../../engine/protocol/jobs.ts';
import type { Metrics } from './metrics.ts';

/** An engine that counts sampled tokens and training steps while its jobs run. */
export function measureEngine(engine: Engine, metrics: Metrics): Engine {
  return {
    close: () => engine.close(),
    version: (settings) => engine.version(settings),
    run(method, job, options = {}) {
      let last: Pick<Progress, 'done' | 'tokens'> | undefined;
      let since = performance.now();
      return engine.run(method, job, {
        ...options,
        onProgress(progress) {
          const done = progress.done - (last?.done ?? 0);
          const tokens = progress.tokens - (last?.tokens ?? 0);
          if (method === 'sample' && tokens > 0) metrics.add('sampled_tokens', tokens);
          // A training that resumes from a checkpoint first reports the steps before the checkpoint, which are not counted.
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
