/** Flags come from the schemas: every setting of a schema is a flag of its commands, with its description and default. */
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { evaluateCommand } from '../../cli/commands/evaluate.ts';
import { labelCommand } from '../../cli/commands/label/label.ts';
import { mtBenchCommand } from '../../cli/commands/mt-bench.ts';
import { optimizeCommand } from '../../cli/commands/optimize.ts';
import { sampleCommand } from '../../cli/commands/sample.ts';
import { scheduleCommand } from '../../cli/commands/schedule.ts';
import { scoreCommand } from '../../cli/commands/score.ts';
import { seedFlags, SettingsFlags } from '../../cli/settings.ts';
import { sftCommand } from '../../cli/commands/sft.ts';
import { trainingFlags } from '../../cli/training.ts';
import { measuringSchema } from '../../config/run/evaluate.ts';
import { calendarSchema } from '../../config/schedule.ts';
import { computeFields, objectiveFields, samplingSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { judge } from '../../labelers/judge/judge.ts';
import { requestSettings } from '../../openai/client/settings.ts';

const judgeNames = {
  model: '--judge-model',
  mode: '--judge-mode',
  template: '--judge-template',
  temperature: '--judge-temperature',
  'max-tokens': '--judge-max-tokens',
  'extra-body': '--judge-extra-body',
  'usd-per-million-tokens-prompt': '--judge-prompt-usd',
  'usd-per-million-tokens-completion': '--judge-completion-usd',
};
const judgeSchema = judge.schema.omit({ by: true });
const create = () => scheduleCommand().commands.find((command) => command.name() === 'create')!;

const cases: [command: string, make: () => Command, schema: z.ZodObject, names?: Record<string, string>][] = [
  ['sample', sampleCommand, samplingSchema],
  ['optimize', optimizeCommand, trainingSchema, { 'lora-rslora': '--rslora' }],
  ['optimize', optimizeCommand, objectiveFields, { name: '--objective' }],
  ['sft', sftCommand, trainingSchema, { 'lora-rslora': '--rslora' }],
  ['evaluate', evaluateCommand, measuringSchema],
  ['optimize', optimizeCommand, computeFields],
  ['sft', sftCommand, computeFields],
  ['score', scoreCommand, computeFields],
  ['evaluate', evaluateCommand, computeFields],
  ['label', labelCommand, computeFields],
  ['evaluate', evaluateCommand, judgeSchema, judgeNames],
  ['label', labelCommand, judgeSchema, judgeNames],
  ['mt-bench', mtBenchCommand, judgeSchema.pick({ server: true, model: true, maxTokens: true }), judgeNames],
  ['mt-bench', mtBenchCommand, z.object(requestSettings)],
  ['schedule create', create, calendarSchema],
];

interface Leaf {
  /** In kebab case, with the section's name before it. */
  name: string;
  description: string;
  fallback: unknown;
}

/** What zod itself says of the settings, those of sections too. */
function leavesOf(schema: z.ZodObject, section = ''): Leaf[] {
  return Object.entries(schema.shape as Record<string, z.ZodType>).flatMap(([key, type]) => {
    const name = section + key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    let inner = type;
    while (inner instanceof z.ZodOptional || inner instanceof z.ZodPrefault || inner instanceof z.ZodDefault) {
      inner = inner.unwrap() as z.ZodType;
    }
    if (inner instanceof z.ZodObject) return leavesOf(inner, `${name}-`);
    const parsed = type.safeParse(undefined);
    return [{ name, description: type.description!, fallback: parsed.success ? parsed.data : undefined }];
  });
}

describe.each(cases)('selm %s', (_name, make, schema, names = {}) => {
  const { options } = make();

  test.each(leavesOf(schema))('has a flag for $name', ({ name, description, fallback }) => {
    const isOn = fallback === true;
    const flag = names[name] ?? (isOn ? `--no-${name}` : `--${name}`);
    const option = options.find(({ long }) => long === flag);
    expect(option?.description).toContain(description);
    if (isOn) expect(option!.description).toContain('default: on');
    else if (fallback !== undefined && fallback !== false) {
      expect(option!.description).toContain(`default: ${String(fallback)})`);
    }
    expect(option!.required).toBe(typeof fallback !== 'boolean');
  });
});

/** What the flags of a schema make of a command line. */
function read<T>(flags: SettingsFlags<T>, ...args: string[]): T {
  let settings: T | undefined;
  flags
    .addTo(new Command())
    .exitOverride()
    .action((given: Record<string, unknown>) => void (settings = flags.read(given)))
    .parse(args, { from: 'user' });
  return settings!;
}

test('without flags the settings are the defaults of the schema', () => {
  expect(read(trainingFlags)).toEqual(trainingSchema.parse({}));
});

test('numbers, lists, names, switches and settings of a section are read', () => {
  const given = ['--adam-beta1', '0.8', '--adam-beta2', '0.95', '--adam-epsilon', '1e-6', '--schedule', 'linear'];
  const lora = ['--lora-rank', '4', '--lora-targets', 'q_proj,v_proj', '--rslora'];
  expect(read(trainingFlags, ...given, ...lora, '--no-shuffle', '--full', '--warmup-ratio', '0')).toEqual({
    ...trainingSchema.parse({}),
    adamBeta1: 0.8,
    adamBeta2: 0.95,
    adamEpsilon: 1e-6,
    schedule: 'linear',
    shuffle: false,
    full: true,
    warmupRatio: 0,
    lora: { rank: 4, targets: ['q_proj', 'v_proj'], rslora: true },
  });
});

test.each([
  [['--adam-beta1', '1'], '--adam-beta1 1 is not valid: expected number to be <1; see --help.'],
  [['--adam-epsilon', 'small'], '--adam-epsilon small is not valid: expected number, received string; see --help.'],
  [['--lora-rank', '1.5'], '--lora-rank 1.5 is not valid: expected int, received number; see --help.'],
  [['--schedule', ''], '--schedule  is not valid: expected one of "cosine"|"linear"|"constant"; see --help.'],
])('%j is refused by its flag', (args, problem) => {
  expect(() => read(trainingFlags, ...args)).toThrow(problem);
});

test('what may be a secret in the wrong place is not repeated', () => {
  const flags = new SettingsFlags(z.object(requestSettings));
  const refused = () => read(flags, '--key-variable', 'sk-secret');
  expect(refused).toThrow(/^--key-variable is not valid: expected the name of an environment variable, never a key/);
});

test('a seed is a number that is not negative', () => {
  expect(read(seedFlags, '--seed', '7')).toEqual({ seed: 7 });
  expect(() => read(seedFlags, '--seed', '-1')).toThrow('--seed -1 is not valid');
});
