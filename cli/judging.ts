/** The judge of a command: a model behind an OpenAI-compatible server, or one on this machine's engine. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { JUDGING, type Judge } from '../evaluation/mt-bench/judging.ts';
import { resolveModel } from '../data/hub.ts';
import { askEngine, askServer } from '../labelers/judge/ask.ts';
import { AnswerCache } from '../labelers/judge/cache.ts';
import { requestSettings, serverAddress } from '../openai/client/settings.ts';
import { cacheFolder } from '../workers/places.ts';
import { addSettings, readSettings } from './settings.ts';
import { withEngine } from './step.ts';

const maxTokens = z
  .int()
  .positive()
  .default(JUDGING.maxTokens)
  .describe("Longest of the judge's answers, in tokens; a model that thinks needs more.");
const schema = z.object({ server: serverAddress.optional(), judgeMaxTokens: maxTokens, ...requestSettings });
const REQUEST_FIELDS = Object.keys(requestSettings) as (keyof typeof requestSettings)[];

export interface JudgeFlags {
  judgeModel?: string;
  server?: string;
}

export function addJudge(command: Command): void {
  command
    .option(
      '--judge-model <name|folder|id>',
      'The judge: what the server calls it; without --server a model folder, or hub id org/name[@revision].',
    )
    .option('--server <url>', 'OpenAI-compatible server of the judge, as in https://api.openai.com/v1.');
  addSettings(command, schema, ['judgeMaxTokens', ...REQUEST_FIELDS]);
}

type WithJudge = <T>(work: (judge: Judge) => Promise<T>) => Promise<T>;

/** @returns what opens the judge, if one is named. @throws InputError when its settings are wrong */
export function judgeOf(flags: JudgeFlags & Record<string, unknown>): WithJudge | undefined {
  const {
    server: url,
    judgeMaxTokens,
    ...settings
  } = readSettings(schema, flags, ['server', 'judgeMaxTokens', ...REQUEST_FIELDS]);
  const { judgeModel: name } = flags;
  if (name === undefined) return undefined;
  if (url === undefined) {
    return (work) =>
      withEngine((engine) =>
        work({ name, ask: askEngine(engine, () => resolveModel(name), judgeMaxTokens, availableParallelism()) }),
      );
  }
  const cache = new AnswerCache(join(cacheFolder(), 'judge'));
  return (work) =>
    work({ name, ask: askServer({ url, model: name, ...settings }, { ...JUDGING, maxTokens: judgeMaxTokens }, cache) });
}
