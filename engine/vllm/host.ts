/** The worker's own vLLM: it is started for the first policy that needs it, and serves until something else needs the device. */
import { randomBytes } from 'node:crypto';
import { freemem } from 'node:os';
import { InputError } from '../../data/errors.ts';
import { Secret } from '../../data/secret.ts';
import type { Placement } from '../beside-estimate.ts';
import { fitsInto } from '../gpu-estimate.ts';
import { nvidiaGpus } from '../gpus.ts';
import { freePort } from '../process/free-port.ts';
import type { Policy } from '../protocol/jobs.ts';
import type { TorchEnvironment } from '../torch/environment.ts';
import { BASE_NAME, concurrencyOf, dtypeOf, serveArguments, type ServerSpec } from './arguments.ts';
import { vllmFailure } from './failure.ts';
import { leastUsed, untilFree, type GpuMemory } from './memory.ts';
import { ServerProcess } from './process.ts';
import { asLongAs, canServe, deviceOf, inPlaceOf, specOf, utilizationOf, type VllmSettings } from './spec.ts';

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
  /** Ends what else uses the device: called before a server starts, and when one is stopped. */
  freeDevice?: () => Promise<void>;
  readGpus?: () => GpuMemory[];
  /** Bytes of the machine's memory that are free. */
  readFreeMemory?: () => number;
}

/** Loading a large model from a slow disk and compiling it takes minutes. */
const START_SECONDS = 1800;
/** Memory for keys and values with vLLM's CPU build, in GiB. */
const CPU_CACHE_GIB = '2';

interface Running {
  spec: ServerSpec;
  serving: Serving;
  process: ServerProcess;
  /** Bytes that it leaves free on each GPU, or on the machine, before the first job beside it. */
  free?: number[];
}

/** Starts and stops vLLM. At most one server runs at a time. */
export class VllmHost {
  private readonly options: Required<VllmHostOptions>;
  private running: Running | undefined;
  /** What the last server was started for. */
  private last: ServerSpec | undefined;
  /** The GPUs with the least memory in use that was seen. */
  private idle: GpuMemory[] = [];
  private queue: Promise<unknown> = Promise.resolve();

  constructor(options: VllmHostOptions) {
    this.options = { freeDevice: async () => {}, readGpus: nvidiaGpus, readFreeMemory: freemem, ...options };
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
      const spec = specOf(policy, tokens, settings, this.options.readGpus);
      const { running, last } = this;
      if (running && !running.process.died.aborted && canServe(running.spec, spec)) return running.serving;
      await this.end();
      const longer = last ? asLongAs(last, spec) : spec;
      return this.start(running ? inPlaceOf(running.spec, longer) : longer, signal);
    });
  }

  /**
   * Makes room for a job of another program: the server stays if it leaves enough memory free, else it is stopped. Free memory is measured
   * before the first job beside the server: later jobs take over the processes of the first, and their memory.
   * @param needed bytes of each GPU, or of the machine on the CPU. Undefined: the job needs the device alone
   * @returns whether a server runs beside the job
   */
  makeRoom(ranks: Placement, needed: number | undefined): Promise<boolean> {
    return this.inTurn(async () => {
      const { running } = this;
      if (running && needed !== undefined && this.hasRoom(running, ranks, needed)) return true;
      await this.end();
      return false;
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

  private hasRoom(running: Running, { device, gpus }: Placement, needed: number): boolean {
    if (running.process.died.aborted || running.spec.device !== device) return false;
    const { readGpus, readFreeMemory } = this.options;
    running.free ??= device === 'cpu' ? [readFreeMemory()] : readGpus().map(({ memory, used }) => memory - used);
    const free = running.free.slice(0, device === 'cpu' ? 1 : gpus);
    return (device === 'cpu' || free.length === gpus) && free.every((bytes) => fitsInto(needed, bytes));
  }

  private async start(spec: ServerSpec, signal?: AbortSignal): Promise<Serving> {
    signal?.throwIfAborted();
    if (spec.device === 'cuda') this.idle = leastUsed(this.idle, this.options.readGpus());
    await this.options.freeDevice();
    await this.untilIdle();
    const port = await freePort();
    const key = new Secret(randomBytes(32).toString('hex'));
    const served = serveArguments(spec, port, utilizationOf(spec));
    const command = [this.environment().python, '-m', 'vllm.entrypoints.cli.main', ...served];
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
    this.last = spec;
    return serving;
  }

  private async end(): Promise<void> {
    const { running } = this;
    if (!running) return;
    this.running = undefined;
    await Promise.all([running.process.stop(), this.options.freeDevice()]);
    await this.untilIdle();
  }

  private untilIdle(): Promise<void> {
    return untilFree(this.idle, this.options.readGpus);
  }
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
