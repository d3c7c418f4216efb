import { totalmem } from 'node:os';
import Table from 'cli-table3';
import { Command } from 'commander';
import { describeDropped } from '../activities/prompts/portions.ts';
import { InputError } from '../data/errors.ts';
import { estimateRun, type Assumptions, type Estimate } from '../workers/estimate.ts';
import { checkMachine } from '../workers/machine.ts';
import { loadConfig } from '../config/load.ts';
import { BAD_INPUT, FAILED } from './errors.ts';
import { jsonOption } from './step.ts';

const NUMBERS = ['tflops', 'weightBytes', 'promptTokens', 'answerTokens', 'price'] as const;
type Flags = Partial<Record<(typeof NUMBERS)[number], string>> & { json?: boolean };

/** `selm doctor`: whether this machine, or a configuration, is fit for a run. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Check this machine; or a configuration, with what its rounds need, before anything is downloaded.')
    .argument('[config]', "A run's YAML file.")
    .option(
      '--tflops <n>',
      'Sustained 10^12 floating-point operations a second, for hours (100: about what batches of 32 reach on an H100).',
      '100',
    )
    .option(
      '--weight-bytes <n>',
      'Bytes of a weight that is not trained (default: 4, float32, or 2 with device: cuda).',
    )
    .option(
      '--prompt-tokens <n>',
      'Mean prompt (default: that of the training prompts; where they are not on this machine the longest, so that hours are an upper bound).',
    )
    .option('--answer-tokens <n>', 'Mean answer (default: the longest, so that hours are an upper bound).')
    .option('--price <n>', 'What an hour of the machine costs, for the cost of a round.')
    .addOption(jsonOption())
    .action(async (file: string | undefined, flags: Flags) => {
      const { problems, rows, json } = file === undefined ? await machine() : await configuration(file, flags);
      const table = new Table({
        style: { head: [], border: [], compact: true },
        colWidths: [null, LINE],
        wordWrap: true,
      });
      table.push(...rows);
      console.log(table.toString());
      for (const problem of problems) console.error(`selm: ${problem}`);
      if (flags.json) console.log(JSON.stringify(json));
      if (problems.length > 0) process.exitCode = file === undefined ? FAILED : BAD_INPUT;
    });
}

/** Columns that a finding has; sentences go over several lines. */
const LINE = 100;

interface Findings {
  problems: string[];
  rows: string[][];
  json: object;
}

async function machine(): Promise<Findings> {
  const checks = await checkMachine();
  const problems = checks.flatMap(({ problem }) => problem ?? []);
  return { problems, rows: checks.map(({ what, found }) => [what, found]), json: { checks, problems } };
}

async function configuration(file: string, flags: Flags): Promise<Findings> {
  const config = loadConfig(file);
  const estimate = await estimateRun(config, assumptionsOf(flags));
  return {
    problems: estimate.problems,
    rows: rowsOf(estimate),
    json: { name: config.name, rounds: config.rounds, ...estimate },
  };
}

/** @throws InputError that names the flag */
function assumptionsOf(flags: Flags): Assumptions {
  const given = NUMBERS.filter((name) => flags[name] !== undefined).map((name) => [name, Number(flags[name])] as const);
  const wrong = given.find(([, value]) => !(value > 0));
  if (wrong)
    throw new InputError(
      `--${wrong[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${flags[wrong[0]]} is not valid: give a number > 0.`,
    );
  return Object.fromEntries(given) as unknown as Assumptions;
}

const size = (bytes: number) => (bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`);

/** '7.242 billion' */
function parametersOf(count: number): string {
  if (count < 1e6) return count.toLocaleString('en');
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} million` : `${(count / 1e9).toFixed(3)} billion`;
}

const hoursOf = (value: number) => (value < 0.01 ? 'less than 0.01' : value.toFixed(2));

/** 'weights 1.0 GB, gradients 2.0 GB: 3.0 GB' */
function memory(parts: Record<string, number>): string {
  const total = Object.values(parts).reduce((sum, part) => sum + part, 0);
  const each = Object.entries(parts).map(([name, bytes]) => `${name} ${size(bytes)}`);
  return `${size(total)}: ${each.join(', ')}`;
}

function rowsOf({
  parameters,
  sample,
  optimize,
  promptsPerRound,
  optimizerSteps,
  heldOut,
  promptTokens,
  dropped,
  hours,
  costPerRound,
  warnings,
  unknown,
}: Estimate): string[][] {
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
          ['dropped training prompts', describeDropped(dropped.train)],
          ['dropped held-out prompts', describeDropped(dropped.heldOut)],
        ]
      : []
    ).filter(([, why]) => why),
    ...(sample ? [['memory of sample', memory(sample)]] : []),
    ...(optimize ? [['memory of optimize', memory(optimize)]] : []),
    ['memory of this machine', size(totalmem())],
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
    ...(costPerRound === undefined ? [] : [['cost a round', costPerRound.toFixed(2)]]),
    ...warnings.map((sentence) => ['warning', sentence]),
    ...unknown.map((sentence) => ['not known', sentence]),
  ];
}
