/**
 * Backends: programs that answer the engine's protocol (protocol/jobs.ts), each in a process of its own.
 *
 * To add one, write its entry module in a folder beside onnx/. It calls `answerHost` (process/child.ts) with an object that runs the
 * methods of `EngineMethods`. Name the module here, and let `startEngine` choose. Nothing else imports from a backend's folder.
 */
import { DEFAULT_SILENCE_SECONDS, superviseEngine, type HostOptions, type SupervisedEngine } from './process/host.ts';
import type { BackendName } from './protocol/compute.ts';
import type { Engine, EngineMethod } from './protocol/jobs.ts';
import { torchEnvironment } from './torch/environment.ts';
import { torchVersion } from './torch/version.ts';
import { onnxRuntime } from './version.ts';
import { VllmHost } from './vllm/host.ts';
import { shareDevice } from './vllm/sharing.ts';

/** Entry modules by the backend's name. */
const entries = {
  onnx: new URL('./onnx/main.ts', import.meta.url),
  torch: new URL('./torch/main.ts', import.meta.url),
};

/** The methods of the torch backend. The others are computed by ONNX Runtime in its runs, too. */
const TORCH_METHODS: EngineMethod[] = ['reference', 'score', 'optimize', 'sft', 'divergence', 'rank'];

/** Until a policy's weights are read, on all ranks: nothing reports progress. */
const LOADING_SECONDS = 3600;
/** What the torch backend's own watchdog, which knows the ranks, is given to report and end them. */
const MARGIN_SECONDS = 60;

/** Which backend computes a job. */
const backendOf = (method: EngineMethod, job: object): BackendName =>
  'backend' in job && job.backend === 'torch' && TORCH_METHODS.includes(method) ? 'torch' : 'onnx';

/** The backends' processes: each starts with its first job, and again after it died. */
function superviseBackends(options: HostOptions): Record<BackendName, SupervisedEngine> {
  const { silenceSeconds: silence = DEFAULT_SILENCE_SECONDS } = options;
  return {
    onnx: superviseEngine(entries.onnx, options),
    torch: superviseEngine(entries.torch, {
      silenceSeconds: LOADING_SECONDS + silence + MARGIN_SECONDS,
      args: [silence, LOADING_SECONDS].map(String),
    }),
  };
}

function engineOf(backends: Record<BackendName, SupervisedEngine>): Engine {
  return {
    run: async (method, job, callOptions) => backends[backendOf(method, job)].run(method, job, callOptions),
    version: async (settings) => (settings.backend === 'torch' ? torchVersion(settings) : onnxRuntime),
    close: async () => void (await Promise.all(Object.values(backends).map((backend) => backend.close()))),
  };
}

/** An engine in processes of its own, one for each backend. */
export const startEngine = (options: HostOptions = {}): Engine => engineOf(superviseBackends(options));

/**
 * An engine and a vLLM that share the worker's GPUs: vLLM stays up beside the jobs of the torch backend that fit, and is stopped before the
 * others. The torch backend's processes, which keep a policy in the GPUs' memory between jobs, end before vLLM starts. Closing the engine
 * stops vLLM.
 */
export function startWithVllm(options: HostOptions = {}): { engine: Engine; vllm: VllmHost } {
  const backends = superviseBackends(options);
  const vllm = new VllmHost({ environment: torchEnvironment, freeDevice: () => backends.torch.close() });
  const engine = engineOf({ ...backends, torch: shareDevice(backends.torch, vllm) });
  return { vllm, engine: { ...engine, close: async () => void (await Promise.all([engine.close(), vllm.close()])) } };
}
