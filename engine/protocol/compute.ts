/** What computes a job, and how: settings of a run that are part of its jobs and of the keys of the steps that they compute. */
/** The backends by name; engine/backends.ts starts them. */
export const BACKENDS = ['onnx', 'torch'] as const;
export type BackendName = (typeof BACKENDS)[number];

/** The devices of the torch backend. */
export const DEVICES = ['cpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];

/** What computes a job. Results are bitwise the same only for the same settings, backend version and kind of machine. */
export interface ComputeSettings {
  /** Default: onnx. */
  backend?: BackendName;
  /** Of the torch backend. Default: cpu. */
  device?: Device;
  /** Number of ranks of the torch backend. Default: 1. */
  gpus?: number;
  /** Threads of the CPU; of each rank of the torch backend. Default: all cores. */
  threads?: number;
}

/** The settings that do not equal their defaults, without `threads`: with them, step keys of the onnx backend stay the same. */
export const computeParameters = ({ backend, device, gpus }: ComputeSettings): ComputeSettings =>
  backend === 'torch' ? { backend, device: device ?? 'cpu', gpus: gpus ?? 1 } : {};
