/** The worker's own vLLM: it is started for the first policy that needs it, and serves until something else needs the device. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { InputError } from '../../data/errors.ts';
import { Secret } from '../../data/secret.ts';
import { readAdapterConfig } from '../model-files/adapter-config.ts';
import { contextLength, readModelConfig } from '../model-files/config.ts';
import { openModelWeights } from '../model-files/weights.ts';
import { nvidiaGpus } from '../gpus.ts';
import type { Device } from '../protocol/compute.ts';
import type { TorchEnvironment } from '../torch/environment.ts';
import type { Policy } from '../protocol/jobs.ts';
import {
  BASE_NAME,
  concurrencyOf,
  contextFor,
  dtypeOf,
  loraRankFor,
  parallelismFor,
  serveArguments,
  type ServerSpec,
} from './arguments.ts';
import { vllmFailure } from './failure.ts';
import { leastUsed, untilFree, type GpuMemory } from './memory.ts';
import { ServerProcess } from './process.ts';

/** How a run wants vLLM. */
export interface VllmSettings {
  /** Further arguments of `vllm serve`. */
  args: string[];
  /** Default: cuda on a machine with an NVIDIA GPU, else cpu. */
  device?: Device;
  /** Number of GPUs to use. Default: all of the worker's. */
  gpus?: number;
}

/** What identifies the results of vLLM, apart from policy and sampling settings. */
export interface VllmVersion {
  version: string;
  dtype: string;
  args: string[];
}

/** A server that has a policy's base model. */
export interface Serving {
  /** Base URL, which ends in `/v1`. */
  url: string;
  key: Secret;
  /** The name of the base model, or of the model with all weights trained. */
  model: string;
  /** How many requests it answers at the same time without a loss of speed. */
  concurrency: number;
  /** Aborted when the server ends unexpectedly. The reason is the error. */
  died: AbortSignal;
}

/** The resources of the host, which tests replace. */
export interface VllmHostOptions {
  /** @throws InputError when there is no environment */
  environment: () => Pick<TorchEnvironment, 'python' | 'vllm'>;
  /** Called before a server starts: ends what else uses the device. */
  freeDevice?: () => Promise<void>;
  readGpus?: () => GpuMemory[];
}

/** Loading a large model from a slow disk and compiling it takes minutes. */
const START_SECONDS = 1800;
const BYTES_PER_WEIGHT = { bfloat16: 2, float32: 4 } as Record<string, number>;
/** Memory for keys and values with vLLM's CPU build, in GiB. */
const CPU_CACHE_GIB = '2';

interface Running {
  spec: ServerSpec;
  serving: Serving;
  process: ServerProcess;
}

/** Starts and stops vLLM. At most one server runs at a time. */
export class VllmHost {
  private readonly options: Required<VllmHostOptions>;
  private running: Running | undefined;
  /** The GPUs with the least memory in use that was seen. */
  private idle: GpuMemory[] = [];
  private queue: Promise<unknown> = Promise.resolve();

  constructor(options: VllmHostOptions) {
    this.options = { freeDevice: async () => {}, readGpus: nvidiaGpus, ...options };
  }

  /** @throws InputError when vLLM is not installed */
  async version({ args, device }: VllmSettings): Promise<VllmVersion> {
    const { version } = this.environment();
    const gpus = device === undefined ? this.options.readGpus() : [];
    return { version, dtype: dtypeOf(device ?? deviceOf(gpus)), args };
  }

  /**
   * Serves a policy's model. The server that runs is used if it can serve the policy, else it is stopped and another one is started.
   * @param tokens of the longest prompt with its response
   * @throws InputError when vLLM cannot serve the policy, and EngineDied when it did not start for another reason
   */
  serve(policy: Policy, tokens: number, settings: VllmSettings, signal?: AbortSignal): Promise<Serving> {
    return this.inTurn(async () => {
      const spec = await this.specOf(policy, tokens, settings);
      const { running } = this;
      if (running && !running.process.died.aborted && canServe(running.spec, spec)) return running.serving;
      await this.end();
      // The server of the next policy with this base model takes what this one takes.
      const widened = running && sameBase(running.spec, spec) ? widen(running.spec, spec) : spec;
      return this.start(widened, signal);
    });
  }

  /** Stops the server, if one runs, and waits until its GPUs' memory is free. */
  stop(): Promise<void> {
    return this.inTurn(() => this.end());
  }

  /** Stops the server because this process ends: nothing waits for the memory. */
  close(): Promise<void> {
    return this.inTurn(async () => this.running?.process.stop());
  }

  private environment(): { python: string; version: string } {
    const { python, vllm: version } = this.options.environment();
    if (version !== undefined) return { python, version };
    throw new InputError(
      `${python} has no vLLM, which sample.backend: vllm needs: install it there, or set SELM_PYTHON to a Python that has it.`,
    );
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(work);
    this.queue = turn.catch(() => {});
    return turn;
  }

  private async specOf(
    { model, adapter }: Policy,
    tokens: number,
    { args, device: wanted, gpus: count }: VllmSettings,
  ): Promise<ServerSpec> {
    const config = readModelConfig(model);
    const all = wanted === 'cpu' ? [] : this.options.readGpus();
    const device = wanted ?? deviceOf(all);
    const gpus = all.slice(0, count);
    if (device === 'cuda' && gpus.length < Math.max(1, count ?? 1)) {
      throw new InputError(
        `vLLM needs ${count ?? 1} GPUs, and this machine has ${all.length} (nvidia-smi): lower gpus, or set device: cpu.`,
      );
    }
    const memories = gpus.map(({ memory }) => memory);
    return {
      model,
      device,
      context: contextFor(tokens, contextLength(config)),
      ...(adapter !== undefined && { loraRank: loraRankFor(readAdapterConfig(adapter).rank) }),
      parallelism:
        device === 'cuda'
          ? parallelismFor(weightBytes(model, dtypeOf(device)), config.heads ?? 1, memories)
          : { tensor: 1, data: 1 },
      args,
    };
  }

  private async start(spec: ServerSpec, signal?: AbortSignal): Promise<Serving> {
    signal?.throwIfAborted();
    if (spec.device === 'cuda') this.idle = leastUsed(this.idle, this.options.readGpus());
    await this.options.freeDevice();
    await this.untilIdle();
    const port = await freePort();
    const key = new Secret(randomBytes(32).toString('hex'));
    const command = [this.environment().python, '-m', 'vllm.entrypoints.cli.main', ...serveArguments(spec, port)];
    const process = new ServerProcess(command, environment(spec, key), vllmFailure);
    await process.ready(`http://127.0.0.1:${port}/health`, START_SECONDS, signal);
    const serving: Serving = {
      url: `http://127.0.0.1:${port}/v1`,
      key,
      model: BASE_NAME,
      concurrency: concurrencyOf(spec),
      died: process.died,
    };
    this.running = { spec, serving, process };
    return serving;
  }

  private async end(): Promise<void> {
    const { running } = this;
    if (!running) return;
    this.running = undefined;
    await running.process.stop();
    await this.untilIdle();
  }

  private untilIdle(): Promise<void> {
    return untilFree(this.idle, this.options.readGpus);
  }
}

const deviceOf = (gpus: GpuMemory[]): Device => (gpus.length > 0 ? 'cuda' : 'cpu');

/** Whether the server differs from what is wanted in nothing but what it may have more of. */
const sameBase = (
  { context: _c, loraRank: _l, ...has }: ServerSpec,
  { context: _w, loraRank: _r, ...wanted }: ServerSpec,
) => isDeepStrictEqual(has, wanted);

const canServe = (has: ServerSpec, wanted: ServerSpec): boolean =>
  sameBase(has, wanted) && has.context >= wanted.context && (has.loraRank ?? 0) >= (wanted.loraRank ?? 0);

function widen(has: ServerSpec, wanted: ServerSpec): ServerSpec {
  const loraRank = Math.max(has.loraRank ?? 0, wanted.loraRank ?? 0);
  return { ...wanted, context: Math.max(has.context, wanted.context), ...(loraRank > 0 && { loraRank }) };
}

/** Bytes of the weights of a model folder in memory. */
function weightBytes(folder: string, dtype: string): number {
  const counts = [...openModelWeights(folder).values()].map(({ shape }) => shape.reduce((n, size) => n * size, 1));
  return BYTES_PER_WEIGHT[dtype] * counts.reduce((sum, count) => sum + count, 0);
}

const environment = ({ device, loraRank }: ServerSpec, key: Secret): NodeJS.ProcessEnv => ({
  ...process.env,
  VLLM_API_KEY: key.reveal(),
  VLLM_NO_USAGE_STATS: '1',
  HF_HUB_OFFLINE: '1',
  ...(loraRank !== undefined && { VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True' }),
  ...(device === 'cpu' && {
    VLLM_CPU_KVCACHE_SPACE: process.env['VLLM_CPU_KVCACHE_SPACE'] ?? CPU_CACHE_GIB,
  }),
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
