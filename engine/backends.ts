/**
 * Backends: programs that answer the engine's protocol (protocol/jobs.ts), each in a process of its own.
 *
 * To add one, write its entry module in a folder beside onnx/. It calls `answerHost` (process/child.ts) with an object that runs the
 * methods of `EngineMethods`. Name the module here, and let `startEngine` choose. Nothing else imports from a backend's folder.
 */
import { DEFAULT_SILENCE_SECONDS, superviseEngine, type HostOptions } from './process/host.ts';
import type { BackendName, ComputeSettings } from './protocol/compute.ts';
import type { Engine, EngineMethod } from './protocol/jobs.ts';
import { torchVersion } from './torch/version.ts';
import { onnxRuntime } from './version.ts';
import { vllmEnvironment } from './vllm/environment.ts';
import { VllmHost } from './vllm/host.ts';

/** Entry modules by the backend's name. */
const entries = {
  onnx: new URL('./onnx/main.ts', import.meta.url),
  torch: new URL('./torch/main.ts', import.meta.url),
};

/** The methods of the torch backend. The others are computed by ONNX Runtime in its runs, too. */
const TORCH_METHODS: EngineMethod[] = ['reference', 'score', 'optimize', 'sft', 'divergence', 'rank', 'check'];

/** Until a policy's weights are read, on all ranks: nothing reports progress. */
const LOADING_SECONDS = 3600;
/** What the torch backend's own watchdog, which knows the ranks, is given to report and end them. */
const MARGIN_SECONDS = 60;

/** Which backend computes a job. */
const backendOf = (method: EngineMethod, job: object): BackendName =>
  'backend' in job && job.backend === 'torch' && TORCH_METHODS.includes(method) ? 'torch' : 'onnx';

/** An engine in processes of its own, one for each backend, which start with their first job, and again after they died. */
export function startEngine(options: HostOptions = {}): Engine {
  const { silenceSeconds: silence = DEFAULT_SILENCE_SECONDS } = options;
  const engines = {
    onnx: superviseEngine(entries.onnx, options),
    torch: superviseEngine(entries.torch, {
      silenceSeconds: LOADING_SECONDS + silence + MARGIN_SECONDS,
      args: [silence, LOADING_SECONDS].map(String),
    }),
  };
  return {
    run: (method, job, callOptions) => engines[backendOf(method, job)].run(method, job, callOptions),
    version: async (settings) => (settings.backend === 'torch' ? torchVersion(settings) : onnxRuntime),
    close: async () => void (await Promise.all([engines.onnx.close(), engines.torch.close()])),
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
