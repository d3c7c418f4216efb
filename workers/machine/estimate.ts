/** Estimates what a run needs, from its configuration and its files on this machine. Nothing is downloaded. */
import { existsSync } from 'node:fs';
import type { CheckedPrompts } from '../../activities/prompts/check.ts';
import type { DroppedPrompts } from '../../activities/prompts/request.ts';
import { OVERLAPPING_VOTES } from '../../labelers/people/protocol.ts';
import { shareVotes } from '../../labelers/people/share-votes.ts';
import { fewerVotesNote } from '../../labelers/people/votes-note.ts';
import { readGoldRows } from '../../activities/people/guidance.ts';
import { ignoredNotes } from '../../activities/prompts/ignored.ts';
import { sharedNotes } from '../../activities/prompts/shared.ts';
import { promptsPerRound } from '../../activities/prompts/portions.ts';
import { counted } from '../../data/counted.ts';
import { InputError } from '../../data/errors.ts';
import { parseModelId } from '../../data/hub/ids.ts';
import { cachedModel, isOnHub } from '../../data/hub/models.ts';
import { readPrompts } from '../../data/prompts.ts';
import { isRemote } from '../../data/source.ts';
import { optimizeMemory, parameterCount, roundFlops, sampleMemory } from '../../engine/estimate.ts';
import { gpuTrainingMemory, vllmMemory, type GpuMemory } from '../../engine/gpu-estimate.ts';
import { describeSpeeds, GPU_SPEEDS, sampledPerSecond, type GpuName } from '../../engine/gpu-speeds.ts';
import { llamaDimensions, readDimensions, type ModelDimensions } from '../../engine/model-files/dimensions.ts';
import { linearLayers } from '../../engine/model-files/linear-layers.ts';
import { readLlamaConfig } from '../../engine/model-files/llama-config.ts';
import { readAdapter } from '../../engine/model-files/lora.ts';
import { knownModels } from '../../engine/model-files/known.ts';
import { fewStepsWarning, stepsPerEpoch } from '../../engine/protocol/steps.ts';
import { tensorParallelOf } from '../../engine/vllm/arguments.ts';
import type { RunConfig } from '../../config/run.ts';
import { checkLocalBenchmarks, checkLocalPrompts } from '../prompts.ts';

export interface Assumptions {
  /** The GPUs that compute, for their speeds. Default: H100. */
  gpu?: GpuName;
  /** Sustained speed of the machine's cores, or of each GPU in training, in 10^12 floating-point operations per second. */
  tflops?: number;
  /** Output tokens per second that vLLM samples on each GPU. */
  sampledPerSecond?: number;
  promptTokens?: number;
  answerTokens?: number;
  /** The machine's price per hour. */
  price?: number;
}

export interface Estimate {
  parameters?: number;
  /** GPUs of a worker, if it computes on GPUs: memory is then that of each GPU. */
  gpus?: number;
  /** In bytes, by purpose. */
  sample?: GpuMemory;
  optimize?: GpuMemory;
  promptsPerRound?: number;
  /** At most, per round: a prompt gives one preference or none. */
  optimizerSteps?: number;
  heldOut?: number;
  /** About the training prompts, if they can be checked on this machine. */
  promptTokens?: CheckedPrompts['tokens'];
  dropped?: DroppedPrompts;
  /** By step, per round. */
  flops?: ReturnType<typeof roundFlops>;
  /** Engine time per round. Without `sample` if a server samples. */
  hours?: { sample?: number; optimize: number; evaluate?: number };
  /** The source of the speeds that the hours come from. */
  speed?: string;
  costPerRound?: number;
  /** Problems: a sentence each. */
  problems: string[];
  /** Warnings: a sentence each. */
  warnings: string[];
  /** Quantities that cannot be estimated, with the reason: a sentence each. */
  unknown: string[];
}

/** Estimates memory, time and cost of a run's rounds, and checks its model, adapter and prompts. */
export async function estimateRun(config: RunConfig, assumptions: Assumptions): Promise<Estimate> {
  const problems: string[] = [];
  const unknown: string[] = [];
  const tell = async <T>(read: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      if (!problems.includes(error.message)) problems.push(error.message);
      return undefined;
    }
  };
  const model = await tell(() => shapeOf(config, unknown));
  const { adapter } = config;
  if (adapter !== undefined && adapter.includes('/') && !existsSync(adapter)) {
    problems.push(`Adapter ${adapter} does not exist: give a PEFT adapter folder.`);
  } else if (adapter !== undefined && existsSync(adapter) && model)
    await tell(() => readAdapter(adapter, linearLayers(model.shapes)));
  const { benchmarks, problems: unfit } = (await tell(() => checkLocalBenchmarks(config))) ?? { problems: [] };
  const checked = await tell(() => checkLocalPrompts(config, unknown, benchmarks));
  problems.push(...unfit);
  const { train, heldOut: held, perRound } = config.prompts;
  const heldOut = checked?.heldOut.length ?? (typeof held === 'number' ? held : await tell(() => countOf(held)));
  const given = checked ? undefined : await tell(() => countOf(train));
  const left =
    checked?.train.length ?? (given === undefined ? undefined : given - (typeof held === 'number' ? held : 0));
  const size =
    (left === undefined ? undefined : await tell(() => promptsPerRound(config, left, checked?.dropped.train))) ??
    perRound;
  if (size === undefined && isRemote(train))
    unknown.push(
      `The number of prompts in ${train} is unknown before it is downloaded: set prompts.perRound for an estimate of the time.`,
    );
  if (heldOut === undefined && typeof held === 'string' && isRemote(held))
    unknown.push(
      `The number of prompts in ${held} is unknown before it is downloaded: the time of evaluate is left out.`,
    );
  const optimizerSteps = size === undefined ? undefined : stepsPerEpoch(size, config.optimize) * config.optimize.epochs;
  const few = size === undefined ? undefined : fewStepsWarning('A round has at most', size, 'prompt', config.optimize);
  const warnings = [
    ...(few === undefined ? [] : [few]),
    ...ignoredNotes(checked?.dropped ?? {}, 'prompt'),
    ...sharedNotes(checked?.dropped.ofBenchmarks),
    ...(size === undefined ? [] : fewerVotes(config, size)),
  ];
  const gold = config.label.by === 'people' ? config.label.gold : undefined;
  if (gold !== undefined && !isRemote(gold)) await tell(() => readGoldRows(gold));
  const { server } = config.sample;
  if (server)
    unknown.push(
      `Memory and time of sampling depend on the server at ${server.url}, to which selm doctor sends no request; ` +
        `its model "${server.model}" must be ${config.model}.`,
    );
  const counts = {
    promptsPerRound: size,
    optimizerSteps,
    heldOut,
    ...(checked && { promptTokens: checked.tokens, dropped: checked.dropped }),
  };
  const told = { ...counts, problems, warnings, unknown };
  const needed = model && (await tell(() => needs(config, model, counts, assumptions)));
  return { ...needed, ...told };
}

function fewerVotes({ label }: RunConfig, prompts: number): string[] {
  if (label.by !== 'people') return [];
  const { questions, overlapping } = shareVotes(label.votes, label.overlap, prompts);
  const most = questions + overlapping * (OVERLAPPING_VOTES - 1);
  return [fewerVotesNote(label.votes, most, prompts) ?? []].flat();
}

type Counts = Pick<Estimate, 'promptsPerRound' | 'heldOut' | 'promptTokens'>;
type Needs = Pick<
  Estimate,
  'parameters' | 'gpus' | 'sample' | 'optimize' | 'flops' | 'hours' | 'speed' | 'costPerRound'
>;

function needs(config: RunConfig, model: ModelDimensions, counts: Counts, assumptions: Assumptions): Needs {
  const { sample, optimize, evaluate } = config;
  const { promptsPerRound: prompts, heldOut, promptTokens: known } = counts;
  const { promptTokens = known?.mean ?? optimize.maxPromptLength, answerTokens = sample.maxNewTokens } = assumptions;
  const longest = known?.longest ?? sample.maxPromptLength ?? optimize.maxPromptLength;
  const memory = { parameters: parameterCount(model), ...memoryOf(config, model, longest) };
  if (prompts === undefined) return memory;
  const flops = roundFlops(
    model,
    { prompts, heldOut: heldOut ?? 0, promptTokens, answerTokens },
    { samplesPerPrompt: sample.samplesPerPrompt, klSamples: evaluate.klSamples },
    optimize,
  );
  const answers = {
    sample: prompts * sample.samplesPerPrompt * answerTokens,
    evaluate: (heldOut ?? 0) * (1 + evaluate.klSamples) * answerTokens,
  };
  const { hours: all, speed } = hoursOf(config, model, flops, answers, assumptions);
  const hours = {
    ...(!sample.server && { sample: all.sample }),
    optimize: all.optimize,
    ...(heldOut !== undefined && { evaluate: all.evaluate }),
  };
  const total = (hours.sample ?? 0) + hours.optimize + (hours.evaluate ?? 0);
  const { price } = assumptions;
  return { ...memory, flops, hours, speed, ...(price !== undefined && { costPerRound: total * price }) };
}

/** Whether a run trains on GPUs. */
export const isOnGpus = ({ backend, device }: RunConfig): boolean => backend === 'torch' && device === 'cuda';

/** @param longest tokens of the longest prompt */
function memoryOf(
  config: RunConfig,
  model: ModelDimensions,
  longest: number,
): Pick<Estimate, 'gpus' | 'sample' | 'optimize'> {
  const { sample, gpus = 1 } = config;
  const optimize = { ...config.optimize, learningRate: 0 };
  if (!isOnGpus(config))
    return {
      ...(!sample.server && { sample: sampleMemory(model, sample, longest) }),
      optimize: optimizeMemory(model, optimize),
    };
  const tokens = longest + sample.maxNewTokens;
  const memories = Array.from({ length: gpus }, () => SMALL_GPU);
  const shared = tensorParallelOf(2 * parameterCount(model), model.heads, memories) ?? gpus;
  return {
    gpus,
    ...(!sample.server && { sample: vllmMemory(model, shared, tokens) }),
    optimize: gpuTrainingMemory(model, optimize, gpus),
  };
}

/** A GPU that the estimate assumes before it knows the worker's: 80 GB, as an A100 or H100 has. */
const SMALL_GPU = 80e9;

/** Sustained rate of one CPU core in float32 training: docs/performance.md measured 407 GFLOP/s on two. */
const CORE_FLOPS = 0.2e12;

/** @param answers tokens to sample */
function hoursOf(
  config: RunConfig,
  model: ModelDimensions,
  flops: ReturnType<typeof roundFlops>,
  answers: { sample: number; evaluate: number },
  { gpu = 'H100', tflops, sampledPerSecond: sampled }: Assumptions,
): { hours: Required<NonNullable<Estimate['hours']>>; speed: string } {
  const { gpus = 1, threads } = config;
  const HOUR = 3600;
  if (!isOnGpus(config)) {
    const rate = tflops === undefined ? CORE_FLOPS * threads : tflops * 1e12;
    const hours = (operations: number) => operations / rate / HOUR;
    return {
      hours: { sample: hours(flops.sample), optimize: hours(flops.optimize), evaluate: hours(flops.evaluate) },
      speed:
        tflops === undefined
          ? `assumed: 0.2 TFLOP/s for each of ${counted(threads, 'thread')}`
          : `${tflops} TFLOP/s, as given`,
    };
  }
  const training = gpus * (tflops === undefined ? GPU_SPEEDS[gpu].training.value : tflops * 1e12);
  const sampling = gpus * (sampled ?? sampledPerSecond(gpu, model));
  return {
    hours: {
      sample: answers.sample / sampling / HOUR,
      optimize: flops.optimize / training / HOUR,
      // Four of five passes over the held-out answers compute divergences; the fifth is the sampling.
      evaluate: (answers.evaluate / sampling + (0.8 * flops.evaluate) / training) / HOUR,
    },
    speed: tflops === undefined || sampled === undefined ? describeSpeeds(gpu) : 'as given',
  };
}

/** @throws InputError when the model is a folder that is missing or not supported */
export function shapeOf(
  { model, backend }: Pick<RunConfig, 'model' | 'backend'>,
  unknown: string[],
): ModelDimensions | undefined {
  const folder = isOnHub(model) ? cachedModel(model) : model;
  if (folder !== undefined) {
    return backend === 'torch' ? readDimensions(folder) : llamaDimensions(readLlamaConfig(folder));
  }
  const known = knownModels[parseModelId(model)!.name];
  if (!known)
    unknown.push(`The shape of ${model} is unknown before it is downloaded: give its folder for an estimate.`);
  return known && llamaDimensions(known);
}

const countOf = async (source: string): Promise<number | undefined> =>
  isRemote(source) ? undefined : (await readPrompts(source)).length;
