/** The engine's process: takes jobs from the host over the IPC channel and reports back. */
import { InputError } from '../../data/errors.ts';
import { LocalEngine } from '../onnx/engine.ts';
import { JobAborted } from '../protocol/errors.ts';
import type { EngineMethods, Progress } from '../protocol/jobs.ts';

type Method = keyof EngineMethods;

export type HostMessage =
  | { type: 'run'; method: Method; job: Parameters<EngineMethods[Method]>[0]; cancelled: number[] }
  | { type: 'abort' }
  | { type: 'cancel'; item: number };

export type ChildMessage =
  | { type: 'progress'; progress: Progress }
  | { type: 'result'; value: ReturnType<EngineMethods[Method]> }
  | { type: 'error'; kind: 'input' | 'aborted' | 'fault'; message: string; stack?: string };

const engine = new LocalEngine();
const send = (message: ChildMessage) => process.send!(message);
let aborted = false;
let cancelled = new Set<number>();

async function run({ method, job, cancelled: before }: Extract<HostMessage, { type: 'run' }>): Promise<void> {
  aborted = false;
  const items = (cancelled = new Set(before));
  const control = {
    onProgress: (progress: Progress) => send({ type: 'progress', progress }),
    aborted: () => aborted,
    isCancelled: (item: number) => items.has(item),
  };
  try {
    send({ type: 'result', value: await engine.run(method, job, control) });
  } catch (error) {
    const { message, stack } = error as Error;
    const kind = error instanceof InputError ? 'input' : error instanceof JobAborted ? 'aborted' : 'fault';
    send({ type: 'error', kind, message, stack });
  }
}

process.on('message', (message: HostMessage) => {
  if (message.type === 'run') void run(message);
  else if (message.type === 'cancel') cancelled.add(message.item);
  else aborted = true;
});
// Signals of the terminal reach the whole process group: the host decides what becomes of its engine.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => process.exit());
