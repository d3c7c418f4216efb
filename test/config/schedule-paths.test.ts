/** Runs of a deployment's schedules name no path: every setting of the schema is tried, so that no new one is forgotten. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { withSettings } from '../../config/changes.ts';
import { readConfig } from '../../config/load.ts';
import { loadDeployConfig } from '../../config/load-deployment.ts';
import { runSchema } from '../../config/run.ts';
import { labelSchema } from '../../labelers/index.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const weekly = {
  name: 'weekly',
  model: 'org/model',
  prompts: { train: 'org/data', heldOut: 'org/held' },
  // People as labelers need it.
  evaluate: { labeler: { by: 'verifier' } },
};

function deploy(run: object) {
  const file = join(folder, 'deploy.yaml');
  writeFileSync(file, JSON.stringify({ schedules: [{ cron: '0 3 * * 1', run }] }));
  return loadDeployConfig(file);
}

interface Setting {
  key: string;
  /** Settings that are required beside it. */
  beside: object;
  about: string;
}

type Schema = z.core.JSONSchema.BaseSchema;

/** Values of required settings of a labeler or a server. */
const REQUIRED: Record<string, unknown> = {
  model: 'org/other',
  url: 'http://server.example.com/v1',
  of: [{ by: 'verifier' }],
  votes: 100,
};

/** All settings whose value can be a text, of all labelers, too. */
function textSettings({ properties = {}, required = [], oneOf = [], anyOf = [] }: Schema, prefix = ''): Setting[] {
  const inner = [...oneOf, ...anyOf].flatMap((kind) => textSettings(kind as Schema, prefix));
  const own = Object.entries(properties as Record<string, Schema>).flatMap(([name, schema]) => {
    const key = `${prefix}${name}`;
    const types = [schema, ...((schema.anyOf ?? []) as Schema[])];
    const isText = types.some(
      ({ type, enum: values, const: value }) => type === 'string' && !values && value === undefined,
    );
    const by = (properties['by'] as Schema | undefined)?.const;
    const beside = Object.fromEntries([
      ...(by === undefined ? [] : [['by', by]]),
      ...required.filter((other) => other in REQUIRED).map((other) => [other, REQUIRED[other]]),
    ]) as object;
    return [...(isText ? [{ key, beside, about: schema.description ?? '' }] : []), ...textSettings(schema, `${key}.`)];
  });
  return [...own, ...inner];
}

/** Files whose text is read where the run is started. */
const READ_HERE = ['chatTemplate.file', 'label.guidelines'];

const settings = textSettings(z.toJSONSchema(runSchema, { io: 'input' }) as Schema);

/** The run with this text as the setting's value; undefined if the schema does not take it. */
function withText({ key, beside }: Setting, text: string): object | undefined {
  const section = key.split('.').slice(0, -1).join('.');
  const run = withSettings(
    section === '' ? weekly : withSettings(weekly, { [section]: { ...at(weekly, section), ...beside } }),
    {
      [key]: text,
    },
  );
  return runSchema.safeParse(run).success ? run : undefined;
}

const at = (value: object, key: string): object =>
  key.split('.').reduce<object>((inner, name) => ((inner as Record<string, object>)[name] ?? {}) as object, value);

it('every setting that is located relative to its file is refused with its key', () => {
  const refused: string[] = [];
  for (const setting of settings) {
    const run = withText(setting, './some/file');
    if (!run) continue;
    if (READ_HERE.includes(setting.key)) continue;
    const located = JSON.stringify(readConfig('test', run, '/somewhere')).includes('"/somewhere/some/file"');
    if (!located) continue;
    refused.push(setting.key);
    expect(() => deploy(run), setting.key).toThrow(
      `run weekly: ${setting.key} is the path ./some/file, which workers in AWS cannot read`,
    );
    expect(() => deploy(withText(setting, '/some/file')!), setting.key).toThrow(
      `${setting.key} is the path /some/file`,
    );
  }
  expect([...new Set(refused)].sort()).toEqual(
    expect.arrayContaining([
      'adapter',
      'evaluate.secondJudge.model',
      'evaluate.secondJudge.path',
      'evaluate.secondJudge.schema',
      'evaluate.secondJudge.template',
      'label.gold',
      'label.model',
      'label.path',
      'label.schema',
      'label.template',
      'model',
      'output',
      'prompts.heldOut',
      'prompts.train',
      'sample.server.adapterFolder',
    ]),
  );
});

it('every setting whose description speaks of a file or folder is one of them, or a text that is read here', () => {
  const named = settings.filter(({ about }) =>
    /^(the .*: )?(a |an )?(\w+ )?(file|folder)\b|: a (file|folder)/i.test(about),
  );
  expect(named.length).toBeGreaterThan(8);
  for (const setting of named) {
    const run = withText(setting, './some/file');
    if (!run || READ_HERE.includes(setting.key)) continue;
    expect(() => deploy(run), setting.key).toThrow('which workers in AWS cannot read');
  }
});

it('parts of combined labelers are refused, too', () => {
  const of = [{ by: 'verifier' }, { by: 'module', path: 'mine.ts' }];
  expect(labelSchema.safeParse({ by: 'combine', of }).success).toBe(true);
  expect(() => deploy({ ...weekly, label: { by: 'combine', of } })).toThrow(
    'run weekly: label.of.1.path is the path mine.ts',
  );
});

it('an output is refused with what to do instead, and a chat template is read here', () => {
  expect(() => deploy({ ...weekly, output: './policy' })).toThrow(
    'run weekly: output is the path ./policy, which workers in AWS cannot read; leave it out; ' +
      'selm export --model NAME@latest writes a released policy.',
  );
  writeFileSync(join(folder, 'template.jinja'), '{{ messages }}');
  const { schedules } = deploy({ ...weekly, adapter: 'weekly@latest', chatTemplate: { file: 'template.jinja' } });
  expect(schedules[0].run).toMatchObject({ adapter: 'weekly@latest', chatTemplate: { template: '{{ messages }}' } });
});
