import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../config/load.ts';
import { checkSettings } from '../../config/set.ts';
import { heldOutLabeler, labelerSettings } from '../../labelers/needs.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
writeFileSync(join(folder, 'guidelines.md'), '# What to prefer\n');
writeFileSync(join(folder, 'gold.jsonl'), '');

const read = (label: object, rest: object = { evaluate: { labeler: { by: 'verifier' } } }) =>
  readConfig(
    'run.yaml',
    {
      name: 'asked',
      model: 'org/model',
      prompts: { train: 'org/prompts', heldOut: 10 },
      label: { by: 'people', votes: 40, ...label },
      ...rest,
    },
    folder,
  );

describe('people as labelers', () => {
  test("have guidelines whose text is read where the configuration is, and gold questions as a run's prompts", () => {
    const { label } = read({ guidelines: 'guidelines.md', gold: 'gold.jsonl' });
    expect(label).toMatchObject({ guidelines: { text: '# What to prefer\n' }, gold: join(folder, 'gold.jsonl') });
    expect(read({ gold: 'org/gold' }).label).toMatchObject({ gold: 'org/gold' });
    expect(() => read({ guidelines: 'missing.md' })).toThrow(
      `${join(folder, 'missing.md')} cannot be read (ENOENT); label.guidelines needs a Markdown file.`,
    );
  });

  test('may be given other settings while a run is in progress', () => {
    const config = read({ guidelines: 'guidelines.md' });
    const settings = { 'label.leaveOut': ['ada'], 'label.guidelines': join(folder, 'guidelines.md') };
    expect(checkSettings(config, settings)).toEqual({
      'label.leaveOut': ['ada'],
      'label.guidelines': { text: '# What to prefer\n' },
    });
  });

  test('need a labeler of the held-out responses', () => {
    for (const rest of [{}, { evaluate: { maxNewTokens: 8 } }]) {
      expect(() => read({}, rest)).toThrow(
        'run.yaml: "evaluate.labeler" is missing: people do not score the responses to held-out prompts, ' +
          'give it or label.otherwise; see docs/config.md.',
      );
    }
    const otherwise = { by: 'regex', pattern: 'a' };
    const alone = read({ otherwise }, {});
    expect([labelerSettings(alone.label), heldOutLabeler(alone)]).toEqual([otherwise, otherwise]);
    const both = read({ otherwise });
    expect([labelerSettings(both.label), heldOutLabeler(both)]).toEqual([otherwise, { by: 'verifier' }]);
    expect(labelerSettings(read({}).label)).toBeUndefined();
  });

  test('alone have an agreement that labels can be smoothed by', () => {
    const optimize = { objective: { name: 'dpo', labelSmoothing: 'agreement' } };
    const evaluate = { labeler: { by: 'verifier' } };
    expect(read({}, { optimize, evaluate }).optimize.objective).toMatchObject({ labelSmoothing: 'agreement' });
    expect(() => read({}, { label: { by: 'verifier' }, optimize })).toThrow(
      'run.yaml: "optimize.objective.labelSmoothing" cannot be "agreement": only the votes of people (label.by: people) have an ' +
        'agreement, give a number or remove this setting; see docs/config.md.',
    );
  });

  test('wait for no longer than a year', () => {
    expect(() => read({ deadline: 3e9 })).toThrow('"label.deadline"');
  });

  test('park a run at a deadline only', () => {
    expect(() => read({ atDeadline: 'park' })).toThrow(
      '"label.atDeadline" cannot be "park": there is no label.deadline, give it or remove this setting',
    );
    expect(read({ atDeadline: 'park', deadline: 48 }).label).toMatchObject({ deadline: 48, votes: 40, overlap: 0.1 });
  });
});
