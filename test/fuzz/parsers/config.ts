/** Configurations: of runs, labelers, schedules, deployments, and of Temporal. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadDeployConfig } from '../../../config/load-deployment.ts';
import { setOption } from '../../../cli/set-option.ts';
import { readTemplate } from '../../../labelers/judge/templates.ts';
import { connectionSettings, hasServer } from '../../../workers/temporal/connection.ts';
import { declaredSchedules } from '../../../workers/runs/declared-schedules.ts';
import { loadConfig, readLabelSettings } from '../../../config/load.ts';
import { checkSettings } from '../../../config/set.ts';
import { differencesOf, type Settings } from '../../../config/changes.ts';
import type { Parser, Parsers } from '../parser.ts';

const example = (name: string) => readFileSync(join('examples', name), 'utf8');
const asJson = (yaml: string) => JSON.stringify(parse(yaml));

const run = { name: 'run', model: 'org/model', prompts: { train: 'org/data', heldOut: 10 } };
const full = {
  ...run,
  adapter: 'earlier@latest',
  chatTemplate: { template: '{{ messages }}', arguments: { enable_thinking: false } },
  rounds: 2,
  sample: { samplesPerPrompt: 4, temperature: 1, server: { url: 'http://127.0.0.1:8000/v1', model: 'm' } },
  label: { by: 'combine', of: [{ by: 'regex', pattern: 'a+', weight: 2 }, { by: 'final-answer' }], lengthPenalty: 0.1 },
  optimize: { learningRate: [1e-5, 1e-6], objective: { name: 'dpo', beta: 0.1 } },
  evaluate: { gate: { minWinRate: 0.5 }, secondJudge: { by: 'final-answer' } },
  budget: { usdPerGpuHour: 1, usd: 2 },
};
const schedules = [{ run, cron: '0 3 * * 1', timezone: 'UTC', overlap: 'skip' }];
const deployment = {
  temporal: { kind: 'cloud', address: 'x.tmprl.cloud:7233', namespace: 'x', apiKeySecret: 'key' },
  schedules: [{ run: { ...run }, cron: '0 3 * * 1' }],
};
const judging = 'system_prompt: You judge.\nprompt_template: |\n  {question} [A] {answer_a} [B] {answer_b}\n';
const profile =
  '[profile.default]\naddress = "127.0.0.1:7233"\nnamespace = "default"\napi_key = "key-of-a-test"\n[profile.default.tls]\nserver_name = "x"\n[profile.default.grpc_meta]\na = "b"\n';

const set = (text: Buffer) => (setOption('').parseArg as (given: string) => Settings)(text.toString());

export function configParsers(folder: string): Parsers {
  const file = (
    name: string,
    inputs: string[],
    read: (path: string) => unknown,
    form: Parser['form'] = 'json',
  ): Parser => {
    const path = join(folder, 'config', name);
    return { form, inputs, file: path, read: () => read(path) };
  };
  const valid = join(folder, 'valid.yaml');
  writeFileSync(valid, JSON.stringify(run));
  const config = loadConfig(valid);
  return {
    run: file(
      'run.yaml',
      [JSON.stringify(full), example('smollm2-ifeval.yaml'), asJson(example('zephyr-7b.yaml'))],
      (path) => differencesOf(config, loadConfig(path)),
    ),
    'run-set': {
      form: 'text',
      inputs: ['optimize.learningRate=1e-5', 'label={by: regex, pattern: a}'],
      read: (text) => checkSettings(config, set(text)),
      names: '--set',
    },
    labeler: file(
      'labeler.yaml',
      [
        JSON.stringify(full.label),
        '{"by":"judge","server":"http://127.0.0.1/v1","model":"m"}',
        '{"by":"json-schema","schema":{"type":"object"}}',
        'by: final-answer\n',
      ],
      (path) => readLabelSettings(path, {}),
    ),
    // What is wrong may be the file of a run that these name.
    schedules: {
      ...file('schedules.yaml', [JSON.stringify(schedules)], (path) =>
        withVariable('SELM_SCHEDULES', path, declaredSchedules),
      ),
      names: folder,
    },
    deployment: { ...file('deploy.yaml', [JSON.stringify(deployment)], loadDeployConfig), names: folder },
    'judge-template': file('judge.yaml', [judging, asJson(judging)], (path) =>
      readTemplate(path, ['question', 'answer_a']),
    ),
    temporal: {
      ...file(
        'temporal.toml',
        [profile],
        (path) =>
          withVariable('TEMPORAL_CONFIG_FILE', path, () => [
            hasServer(),
            connectionSettings(),
            connectionSettings('default'),
          ]),
        'text',
      ),
      // A value may come from the environment, too.
      names: 'Temporal',
    },
  };
}

function withVariable<T>(name: string, value: string, read: () => T): T {
  process.env[name] = value;
  try {
    return read();
  } finally {
    delete process.env[name];
  }
}
