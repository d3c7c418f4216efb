import { totalmem } from 'node:os';
import { Command } from 'commander';
import { z } from 'zod';
import { missingPrograms } from '../../activities/benchmarks/program-environment.ts';
import { describeDroppedPrompts } from '../../activities/prompts/portions.ts';
import { estimateRun, type Estimate } from '../../workers/machine/estimate.ts';
import { gpuProblem } from '../../workers/machine/gpu-fit.ts';
import { checkMachine } from '../../workers/machine/machine.ts';
import { formatBytes } from '../../engine/bytes.ts';
import { nvidiaGpus } from '../../engine/gpus.ts';
import type { Settings } from '../../config/changes.ts';
import { outputProblem } from '../../config/output-folder.ts';
import { loadConfig } from '../../config/load.ts';
import { poolOf } from '../../config/pools.ts';
import { counted } from '../../data/counted.ts';
import { InputError } from '../../data/errors.ts';
import { sum } from '../../data/numbers.ts';
import { BAD_INPUT, FAILED } from '../../data/exit-codes.ts';
import { setOption } from '../set-option.ts';
import { SettingsFlags, type GivenFlags } from '../settings.ts';
import { jsonOption } from '../step.ts';
import { terminalTable } from '../table.ts';

const positive = z.number().positive();

/** Assumptions of the estimate. */
const assumptionFlags = new SettingsFlags(
  z.strictObject({
    tflops: positive
      .optional()
      .describe(
        'Sustained 10^12 floating-point operations per second of the cores, or of each GPU in training. ' +
          'Default: 0.2 for each thread; on GPUs, as published for an H100.',
      ),
    sampledPerSecond: positive
      .optional()
      .describe('Output tokens per second that vLLM samples on each GPU. Default: as published for an H100.'),
    promptTokens: positive
      .optional()
      .describe(
        'Mean length of a prompt. Default: the mean of the training prompts; if they are not on this machine, ' +
          'the longest allowed prompt, so that hours are an upper bound.',
      ),
    answerTokens: positive
      .optional()
      .describe('Mean length of a response. Default: the longest allowed, so that hours are an upper bound.'),
    price: positive.optional().describe('Price of the machine per hour: adds the cost of a round.'),
  }),
);

interface Flags extends GivenFlags {
  set?: Settings;
  json?: boolean;
}

/** `selm doctor`: check this machine, or a configuration. */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description(
      'Check this machine; or a configuration, and estimate what its rounds need, before anything is downloaded.',
    )
    .argument('[config]', "A run's YAML file.");
  return assumptionFlags
    .addTo(command)
    .addOption(setOption('Replace a setting of the file.'))
    .addOption(jsonOption())
    .action(async (file: string | undefined, flags: Flags) => {
      if (file === undefined) refuseUnused(flags);
      const { problems, rows, json } = file === undefined ? await machine() : await configuration(file, flags);
      console.log(terminalTable(rows, { colWidths: [null, LINE], wordWrap: true }));
      for (const problem of problems) console.error(`selm: ${problem}`);
      if (flags.json) console.log(JSON.stringify(json));
      if (problems.length > 0) process.exitCode = file === undefined ? FAILED : BAD_INPUT;
    });
}

/** Width of a finding in columns; longer sentences wrap. A terminal also needs room for the names of the findings. */
const LINE = Math.max(40, Math.min(100, (process.stdout.columns ?? Infinity) - 40));

interface Findings {
  problems: string[];
  rows: string[][];
  json: object;
}

/** @throws InputError when a flag is given that only the check of a configuration uses */
function refuseUnused(flags: Flags): void {
  const [unused] = [...assumptionFlags.given(flags).map(({ flag }) => flag), ...(flags.set ? ['--set'] : [])];
  if (unused !== undefined)
    throw new InputError(`${unused} is for the check of a configuration: selm doctor run.yaml ${unused} …`);
}

async function machine(): Promise<Findings> {
  const checks = await checkMachine();
  const problems = checks.flatMap(({ problem }) => problem ?? []);
  return { problems, rows: checks.map(({ what, found }) => [what, found]), json: { checks, problems } };
}

async function configuration(file: string, flags: Flags): Promise<Findings> {
  const assumptions = assumptionFlags.read(flags);
  const config = loadConfig(file, flags.set);
  const estimated = await estimateRun(config, assumptions);
  // The workers of the run may be other machines.
  const missing = missingPrograms(config.evaluate.benchmarks ?? []);
  const unfit = [gpuProblem(config) ?? []].flat();
  const unusable = config.output === undefined ? undefined : await outputProblem(config.output);
  const { device, gpus = 1 } = config;
  const processes =
    device === 'cpu' && gpus > 1
      ? [
          `gpus: ${gpus} with device: cpu starts ${gpus} processes on the CPU and uses no GPU: set device: cuda, or leave gpus out.`,
        ]
      : [];
  // A machine without GPUs can estimate a run of one that has them.
  const hasGpus = nvidiaGpus().length > 0;
  const warnings = [
    ...estimated.warnings,
    ...memoryWarnings(estimated),
    ...(hasGpus ? [] : unfit),
    ...processes,
    ...missing,
    ...(unusable ? [unusable] : []),
  ];
  const problems = [...estimated.problems, ...(hasGpus ? unfit : [])];
  const estimate = { ...estimated, warnings, problems };
  return {
    problems,
    rows: [['workers', poolOf(config)], ...rowsOf(estimate)],
    json: { name: config.name, rounds: config.rounds, workers: poolOf(config), ...estimate },
  };
}

/** A sentence for each step of a run on CPUs that needs more memory than this machine has. */
const memoryWarnings = ({ gpus, sample, optimize }: Estimate): string[] =>
  gpus !== undefined
    ? []
    : Object.entries({ sample, optimize }).flatMap(([step, parts]) => {
        const bytes = sum(Object.values(parts ?? {}));
        if (bytes <= totalmem()) return [];
        return `${step} needs an estimated ${formatBytes(bytes)} of memory, and this machine has ${formatBytes(totalmem())}.`;
      });

/** '7.242 billion' */
function parametersOf(count: number): string {
  if (count < 1e6) return count.toLocaleString('en');
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} million` : `${(count / 1e9).toFixed(3)} billion`;
}

const hoursOf = (value: number) => (value < 0.01 ? 'less than 0.01' : value.toFixed(2));

/** 'weights 1.0 GB, gradients 2.0 GB: 3.0 GB' */
function memory(parts: Record<string, number>): string {
  const each = Object.entries(parts).map(([name, bytes]) => `${name} ${formatBytes(bytes)}`);
  return `${formatBytes(sum(Object.values(parts)))}: ${each.join(', ')}`;
}

function rowsOf({
  parameters,
  gpus,
  sample,
  optimize,
  promptsPerRound,
  optimizerSteps,
  heldOut,
  promptTokens,
  dropped,
  hours,
  speed,
  costPerRound,
  warnings,
  unknown,
}: Estimate): string[][] {
  const each = gpus === undefined ? '' : `, each of ${counted(gpus, 'GPU')}`;
  return [
    ...(parameters === undefined ? [] : [['parameters', parametersOf(parameters)]]),
    ...(promptsPerRound === undefined ? [] : [['prompts a round', String(promptsPerRound)]]),
    ...(optimizerSteps === undefined ? [] : [['optimizer steps a round', `at most ${optimizerSteps}`]]),
    ...(heldOut === undefined ? [] : [['held-out prompts', String(heldOut)]]),
    ...(promptTokens
      ? [['tokens of a prompt', `mean ${promptTokens.mean.toFixed(0)}, longest ${promptTokens.longest}`]]
      : []),
    ...(dropped
      ? [
          ['dropped training prompts', describeDroppedPrompts(dropped.train)],
          ['dropped held-out prompts', describeDroppedPrompts(dropped.heldOut)],
        ]
      : []
    ).filter(([, why]) => why),
    ...(sample ? [[`memory of sample${each}`, memory(sample)]] : []),
    ...(optimize ? [[`memory of optimize${each}`, memory(optimize)]] : []),
    ...(gpus === undefined ? [['memory of this machine', formatBytes(totalmem())]] : []),
    ...(hours
      ? [
          [
            'hours a round',
            Object.entries(hours)
              .map(([step, value]) => `${step} ${hoursOf(value)}`)
              .join(', '),
          ],
        ]
      : []),
    ...(speed === undefined ? [] : [['speed', speed]]),
    ...(costPerRound === undefined ? [] : [['cost a round', costPerRound.toFixed(2)]]),
    ...warnings.map((sentence) => ['warning', sentence]),
    ...unknown.map((sentence) => ['not known', sentence]),
  ];
}
