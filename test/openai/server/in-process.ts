/** The engine in the test's process: a job is always cancelled before its next run, also on a busy machine. */
import { LocalEngine } from '../../../engine/onnx/engine.ts';
import { onnxRuntime } from '../../../engine/version.ts';
import type { CallOptions, Engine, EngineMethods } from '../../../engine/protocol/jobs.ts';

export function inProcessEngine(): Engine {
  const engine = new LocalEngine();
  let queue: Promise<unknown> = Promise.resolve();
  return {
    version: async () => onnxRuntime,
    run<M extends keyof EngineMethods>(
      method: M,
      job: Parameters<EngineMethods[M]>[0],
      { onProgress = () => {}, signal, itemSignals = [] }: CallOptions = {},
    ) {
      const control = {
        onProgress,
        aborted: () => signal?.aborted ?? false,
        isCancelled: (item: number) => itemSignals[item]?.aborted ?? false,
      };
      const turn = queue.then(() => engine.run(method, job, control));
      queue = turn.catch(() => {});
      return turn;
    },
    close: () => engine.close(),
  };
}
