/** Estimates what a run needs, from its configuration and its files on this machine. Nothing is downloaded. */
import { existsSync } from 'node:fs';
import type { CheckedPrompts, DroppedPrompts } from '../activities/prompts/check.ts';
import { ignoredToolsNote, promptsPerRound } from '../activities/prompts/portions.ts';
import { InputError } from '../data/errors.ts';
import { isModelId } from '../data/hub-ids.ts';
import { cachedModel } from '../data/hub.ts';
import { readPrompts } from '../data/prompts.ts';
import { isRemote } from '../data/source.ts';
import { optimizeMemory, parameterCount, roundFlops, sampleMemory } from '../engine/estimate.ts';
import { llamaDimensions, readDimensions, type ModelDimensions } from '../engine/model-files/dimensions.ts';
import { linearLayers } from '../engine/model-files/linear-layers.ts';
import { readLlamaConfig } from '../engine/model-files/llama-config.ts';
import { readAdapter } from '../engine/model-files/lora.ts';
import { knownModels } from '../engine/model-files/known.ts';
import { fewStepsWarning, stepsPerEpoch } from '../engine/protocol/steps.ts';
import type { RunConfig } from '../config/run.ts';
import { checkLocalPrompts } from './prompts.ts';

export interface Assumptions {
  /** Sustained speed of the machine, in 10^12 floating-point operations per second. */
  tflops: number;
  /** Bytes of a frozen weight. Default: 4 on the CPU, 2 on CUDA. */
  weightBytes?: number;
  promptTokens?: number;
  answerTokens?: number;
  /** The machine's price per hour. */
  price?: number;
}

export interface Estimate {
  parameters?: number;
  /** In bytes. */
  sample?: ReturnType<typeof sampleMemory>;
  optimize?: ReturnType<typeof optimizeMemory>;
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
  hours?: { sample?: number; optimize: number; evaluate: number };
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
  const model = await tell(() => dimensionsOf(config, unknown));
  const { adapter } = config;
  if (adapter !== undefined && adapter.includes('/') && !existsSync(adapter)) {
    problems.push(`Adapter ${adapter} does not exist: give a PEFT adapter folder.`);
  } else if (adapter !== undefined && existsSync(adapter) && model)
    await tell(() => readAdapter(adapter, linearLayers(model.shapes)));
  const checked = await tell(() => checkLocalPrompts(config, unknown));
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
  const few = size === undefined ? undefined : fewStepsWarning('A round has at most', size, 'prompts', config.optimize);
  const warnings = [
    ...(few === undefined ? [] : [few]),
    ...ignoredToolsNote(checked?.dropped.ignoredTools ?? 0, 'prompts'),
  ];
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

function needs(
  { sample, optimize, evaluate, device }: RunConfig,
  model: ModelDimensions,
  {
    promptsPerRound: prompts,
    heldOut,
    promptTokens: known,
  }: Pick<Estimate, 'promptsPerRound' | 'heldOut' | 'promptTokens'>,
  { tflops, weightBytes = device === 'cuda' ? 2 : 4, price, ...tokens }: Assumptions,
): Pick<Estimate, 'parameters' | 'sample' | 'optimize' | 'flops' | 'hours' | 'costPerRound'> {
  const { promptTokens = known?.mean ?? optimize.maxPromptLength, answerTokens = sample.maxNewTokens } = tokens;
  const memory = {
    parameters: parameterCount(model),
    ...(!sample.server && {
      sample: sampleMemory(
        model,
        sample,
        known?.longest ?? sample.maxPromptLength ?? optimize.maxPromptLength,
        weightBytes,
      ),
    }),
    optimize: optimizeMemory(model, { ...optimize, learningRate: 0 }, weightBytes),
  };
  if (prompts === undefined) return memory;
  const size = { prompts, heldOut: heldOut ?? 0, promptTokens, answerTokens };
  const flops = roundFlops(
    model,
    size,
    { samplesPerPrompt: sample.samplesPerPrompt, klSamples: evaluate.klSamples },
    optimize,
  );
  const inHours = (operations: number) => operations / (tflops * 1e12) / 3600;
  const hours = {
    ...(!sample.server && { sample: inHours(flops.sample) }),
    optimize: inHours(flops.optimize),
    evaluate: inHours(flops.evaluate),
  };
  const total = (hours.sample ?? 0) + hours.optimize + hours.evaluate;
  return { ...memory, flops, hours, ...(price !== undefined && { costPerRound: total * price }) };
}

/** @throws InputError when the model is a folder that is missing, or that the run's backend does not support */
function dimensionsOf({ model, backend }: RunConfig, unknown: string[]): ModelDimensions | undefined {
  const folder = existsSync(model) || !isModelId(model) ? model : cachedModel(model);
  if (folder !== undefined) {
    return backend === 'torch' ? readDimensions(folder) : llamaDimensions(readLlamaConfig(folder));
  }
  const known = knownModels[model.split('@')[0]];
  if (!known)
    unknown.push(`The shape of ${model} is unknown before it is downloaded: give its folder for an estimate.`);
  return known && llamaDimensions(known);
}

const countOf = async (source: string): Promise<number | undefined> =>
  isRemote(source) ? undefined : (await readPrompts(source)).length;
