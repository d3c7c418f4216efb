/**
 * Backends: programs that answer the engine's protocol (protocol/jobs.ts), each in a process of its own.
 *
 * To add one, write its entry module in a folder beside onnx/. It calls `answerHost` (process/child.ts) with an object that runs every
 * method of `EngineMethods`. Name the module here, and let `startEngine` choose. Nothing else imports from a backend's folder.
 */
import { superviseEngine, type HostOptions } from './process/host.ts';
import type { ComputeSettings } from './protocol/compute.ts';
import type { Engine } from './protocol/jobs.ts';
import { onnxRuntime } from './version.ts';
import { vllmEnvironment } from './vllm/environment.ts';
import { VllmHost } from './vllm/host.ts';

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

/**
 * An engine and a vLLM that use the worker's GPUs in turn: vLLM is stopped before the torch backend computes, and the torch backend's
 * processes end before vLLM starts. Closing the engine stops vLLM.
 */
export function startWithVllm(options: HostOptions = {}): { engine: Engine; vllm: VllmHost } {
  const engine = startEngine(options);
  // The torch backend's processes keep a policy in the GPUs' memory between jobs. The engine starts them again.
  const vllm = new VllmHost({ environment: vllmEnvironment, freeDevice: () => engine.close() });
  return {
    vllm,
    engine: {
      version: (settings) => engine.version(settings),
      async run(method, job, callOptions) {
        if ((job as ComputeSettings).backend === 'torch') await vllm.stop();
        return engine.run(method, job, callOptions);
      },
      close: async () => void (await Promise.all([engine.close(), vllm.close()])),
    },
  };
}
