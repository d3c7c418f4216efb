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

/** Tokens of a micro-batch of the torch backend where nothing is trained: enough for full speed, with little memory. */
export const scoringTokens = ({ device }: Pick<ComputeSettings, 'device'>): number => (device === 'cuda' ? 8192 : 2048);

/** The settings that do not equal their defaults, without `threads`: with them, step keys of the onnx backend stay the same. */
export const computeParameters = ({ backend, device, gpus }: ComputeSettings): ComputeSettings =>
  backend === 'torch' ? { backend, device: device ?? 'cpu', gpus: gpus ?? 1 } : {};

/** Whether computing again gives the same bits. On GPUs, kernels and communication may add in another order. */
export const promisesBits = ({ backend, device }: ComputeSettings): boolean => backend !== 'torch' || device !== 'cuda';

/** What computes with these settings, and what computing again gives: a sentence for people. */
export function describePromise(settings: ComputeSettings): string {
  const { backend, device, gpus = 1, threads } = settings;
  const processes = `${gpus} ${gpus === 1 ? 'process' : 'processes'}`;
  const torch = `PyTorch on ${device === 'cuda' ? `${gpus} ${gpus === 1 ? 'GPU' : 'GPUs'}` : `the CPU in ${processes}`}`;
  const by = `Computed by ${backend === 'torch' ? torch : 'ONNX Runtime'}`;
  if (!promisesBits(settings)) return `${by}: computing again gives the same numbers within a tolerance.`;
  const limits = threads === undefined ? '' : ` with ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  return `${by}${limits}: computing again with the same versions on the same kind of machine gives the same bits.`;
}
