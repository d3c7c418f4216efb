/** Checks the prompts of a configuration as `prepare` does, if that needs no download. */
import { existsSync } from 'node:fs';
import { checkPrompts, type CheckedPrompts } from '../activities/prompts/check.ts';
import { lengthSettings } from '../activities/prompts/limits.ts';
import { cachedModel } from '../data/hub.ts';
import { isRemote } from '../data/source.ts';
import { Spool } from '../data/spool.ts';
import { readModelConfig } from '../engine/model-files/config.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import type { RunConfig } from '../config/run.ts';
import { cacheFolder } from './places.ts';

/**
 * Checks prompts on this machine.
 * @param unknown receives a sentence if the prompts cannot be checked
 * @throws InputError when the run could not use the prompts
 */
export async function checkLocalPrompts(config: RunConfig, unknown: string[]): Promise<CheckedPrompts | undefined> {
  const { model, prompts, seed } = config;
  const folder = existsSync(model) ? model : cachedModel(model);
  const remote = [prompts.train, prompts.heldOut].find((source) => typeof source === 'string' && isRemote(source));
  if (folder === undefined || remote !== undefined) {
    unknown.push(
      'Prompts are not checked (too long, repeated, held out and trained on): ' +
        `${folder === undefined ? model : remote} is not on this machine.`,
    );
    return undefined;
  }
  const spool = new Spool<never>(cacheFolder());
  try {
    const limits = lengthSettings(config);
    const reader = { tokenizer: loadTokenizer(folder, config.chatTemplate), config: readModelConfig(folder) };
    return await checkPrompts({ prompts, limits, seed, ...reader }, spool, {});
  } finally {
    spool.close();
  }
}
