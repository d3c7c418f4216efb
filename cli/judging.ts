/** Flags for the judge's settings, and the judge of `selm mt-bench`. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { resolveModel } from '../data/hub/models.ts';
import { JUDGING, type Judge } from '../evaluation/mt-bench/judging.ts';
import { askEngine, askServer } from '../labelers/judge/ask.ts';
import { judge } from '../labelers/judge/judge.ts';
import { AnswerCache } from '../openai/client/response-cache.ts';
import { requestSettings } from '../openai/client/settings.ts';
import { cacheFolder } from '../workers/places.ts';
import { SettingsFlags, type GivenFlags } from './settings.ts';
import { withEngine } from './step.ts';

/** All settings are optional, because a command has these flags for every labeler. */
const schema = judge.schema.omit({ by: true }).partial();

/** Names of the flags that differ from the names of the settings. */
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

/** Flags for all settings of the labeler `judge`. */
export const judgeFlags = new SettingsFlags(schema, { named });

const { server, model, maxTokens } = schema.shape;

/** Flags of MT-Bench's judge. All other settings are those of FastChat. */
const mtBenchJudgeFlags = new SettingsFlags(z.strictObject({ server, model, maxTokens, ...requestSettings }), {
  named,
});

/** Adds the flags of MT-Bench's judge to a command. */
export const addJudge = (command: Command): Command => mtBenchJudgeFlags.addTo(command);

/** Opens the judge, calls `work` with it and closes it. */
type WithJudge = <T>(work: (judge: Judge) => Promise<T>) => Promise<T>;

/**
 * Reads the judge from the flags.
 * @returns a function that opens the judge, calls its argument and closes the judge. Undefined if the flags name no judge
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
