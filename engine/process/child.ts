/** The child's side of the process boundary: a backend's entry module calls `answerHost`. */
import { STOP_SIGNALS } from '../../data/stop-signals.ts';
import { toErrorMessage } from '../protocol/errors.ts';
import type { EngineMethod, JobControl, JobOf, Progress, ResultOf } from '../protocol/jobs.ts';
import type { ChildMessage, HostMessage } from '../protocol/messages.ts';

/** What computes the jobs. */
export interface JobRunner {
  run<M extends EngineMethod>(method: M, job: JobOf<M>, control: JobControl): Promise<ResultOf<M>>;
}

const send = (message: ChildMessage) => process.send!(message);

/** Runs the jobs that the host sends over the IPC channel, and reports back. The process ends when the host is gone. */
export function answerHost(runner: JobRunner): void {
  let stop = new AbortController();
  let cancelled = new Set<number>();

  const run = async ({ method, job, cancelled: before }: Extract<HostMessage, { type: 'run' }>) => {
    const { signal } = (stop = new AbortController());
    const items = (cancelled = new Set(before));
    const control: JobControl = {
      onProgress: (progress: Progress) => send({ type: 'progress', progress }),
      aborted: () => signal.aborted,
      signal,
      isCancelled: (item) => items.has(item),
    };
    try {
      send({ type: 'result', value: await runner.run(method, job, control) });
    } catch (error) {
      send({ type: 'error', error: toErrorMessage(error) });
    }
  };

  process.on('message', (message: HostMessage) => {
    if (message.type === 'run') void run(message);
    else if (message.type === 'cancel') cancelled.add(message.item);
    else stop.abort();
  });
  // The terminal sends signals to the whole process group. The host decides when its engine stops.
  for (const signal of STOP_SIGNALS) process.on(signal, () => {});
  process.on('disconnect', () => process.exit());
}
