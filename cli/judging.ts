/** The judge's settings as flags, and the judge of `selm mt-bench`. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { resolveModel } from '../data/hub.ts';
import { JUDGING, type Judge } from '../evaluation/mt-bench/judging.ts';
import { askEngine, askServer } from '../labelers/judge/ask.ts';
import { AnswerCache } from '../labelers/judge/cache.ts';
import { judge } from '../labelers/judge/judge.ts';
import { requestSettings } from '../openai/client/settings.ts';
import { cacheFolder } from '../workers/places.ts';
import { SettingsFlags, type GivenFlags } from './settings.ts';
import { withEngine } from './step.ts';

/** All are optional here: a command has them whether or not its labeler is the judge. */
const schema = judge.schema.omit({ by: true }).partial();

const named = {
  server: 'server <url>',
  model: 'judge-model <name|folder|id>',
  mode: 'judge-mode',
  template: 'judge-template <file>',
  temperature: 'judge-temperature',
  maxTokens: 'judge-max-tokens',
  extraBody: 'judge-extra-body',
  'usdPerMillionTokens.prompt': 'judge-prompt-usd',
  'usdPerMillionTokens.completion': 'judge-completion-usd',
};

/** Flags of the labeler `judge`: of all its settings. */
export const judgeFlags = new SettingsFlags(schema, { named });

const { server, model, maxTokens } = schema.shape;

/** Flags of MT-Bench's judge: everything else about its requests is as in FastChat. */
const mtBenchJudgeFlags = new SettingsFlags(z.strictObject({ server, model, maxTokens, ...requestSettings }), {
  named,
});

export const addJudge = (command: Command): Command => mtBenchJudgeFlags.addTo(command);

type WithJudge = <T>(work: (judge: Judge) => Promise<T>) => Promise<T>;

/**
 * The judge that the flags name.
 * @returns a function that opens the judge for some work; undefined if the flags name no judge
 * @throws InputError that names the flag
 */
export function judgeOf(flags: GivenFlags): WithJudge | undefined {
  const { server: url, model: name, maxTokens = JUDGING.maxTokens, ...settings } = mtBenchJudgeFlags.read(flags);
  if (name === undefined) return undefined;
  if (url === undefined) {
    return (work) =>
      withEngine((engine) =>
        work({ name, ask: askEngine(engine, () => resolveModel(name), maxTokens, availableParallelism()) }),
      );
  }
  const cache = new AnswerCache(join(cacheFolder(), 'judge'));
  return (work) => work({ name, ask: askServer({ url, model: name, ...settings }, { ...JUDGING, maxTokens }, cache) });
}
