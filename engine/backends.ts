/**
 * Backends: programs that answer the engine's protocol (protocol/jobs.ts), each in a process of its own.
 *
 * To add one, write its entry module in a folder beside onnx/. It calls `answerHost` (process/child.ts) with an object that runs every
 * method of `EngineMethods`. Name the module here, and let `startEngine` choose. Nothing else imports from a backend's folder.
 */
import { superviseEngine, type HostOptions } from './process/host.ts';
import type { Engine } from './protocol/jobs.ts';
import { onnxRuntime } from './version.ts';

/** Entry modules by the backend's name. */
const entries = {
  onnx: new URL('./onnx/main.ts', import.meta.url),
};

/** An engine in a process of its own, which starts with the first job, and again after it died. */
export function startEngine(options: HostOptions = {}): Engine {
  const onnx = superviseEngine(entries.onnx, options);
  return {
    run: (method, job, callOptions) => onnx.run(method, job, callOptions),
    version: async () => onnxRuntime,
    close: () => onnx.close(),
  };
}
