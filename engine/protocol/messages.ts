/** The messages between an engine's host and its child process. */
import type { EngineMethod, JobOf, Progress, ResultOf } from './jobs.ts';

/** From the host to the child. `run` comes only after the previous job has ended. */
export type HostMessage =
  | { type: 'run'; method: EngineMethod; job: JobOf<EngineMethod>; cancelled: number[] }
  /** Stop the job. */
  | { type: 'abort' }
  /** The prompt or sequence with this index is no longer wanted. */
  | { type: 'cancel'; item: number };

/** From the child to the host: any number of `progress`, then one `result` or `error` per job. */
export type ChildMessage =
  | { type: 'progress'; progress: Progress }
  | { type: 'result'; value: ResultOf<EngineMethod> }
  | { type: 'error'; error: ErrorMessage };

/** An error as plain data. */
export interface ErrorMessage {
  kind: 'memory' | 'input' | 'aborted' | 'diverged' | 'died' | 'fault';
  message: string;
  stack?: string;
}
