/** The judge of a command: a model behind an OpenAI-compatible server, or one on this machine's engine. */
import { z } from 'zod';
import type { Command } from 'commander';
import type { Judge } from '../activities/mt-bench/judging.ts';
import { localJudge } from '../activities/mt-bench/local-judge.ts';
import { startEngine } from '../engine/host.ts';
import { ChatServer } from '../openai/client.ts';
import { requestSettings, serverAddress } from '../openai/settings.ts';
import { addSettings, readSettings } from './settings.ts';
import { policyOf } from './step.ts';

const schema = z.object({ server: serverAddress.optional(), ...requestSettings });
const REQUEST_FIELDS = Object.keys(requestSettings) as (keyof typeof requestSettings)[];

export interface JudgeFlags {
  judgeModel?: string;
  server?: string;
}

export function addJudge(command: Command): void {
  command
    .option('--judge-model <name|folder|id>', 'The judge: what the server calls it; without --server a model folder, or hub id org/name[@revision].') // prettier-ignore
    .option('--server <url>', 'OpenAI-compatible server of the judge, as in https://api.openai.com/v1.');
  addSettings(command, schema, REQUEST_FIELDS);
}

/** Checks the settings of a judge that is named. @returns how it is opened, or nothing where none is named */
export function judgeOf(flags: JudgeFlags & Record<string, unknown>): (<T>(work: (judge: Judge) => Promise<T>) => Promise<T>) | undefined { // prettier-ignore
  const { judgeModel: model } = flags;
  const { server: url, ...settings } = readSettings(schema, flags, ['server', ...REQUEST_FIELDS]);
  if (model === undefined) return undefined;
  if (url !== undefined) {
    const server = new ChatServer({ url, model, ...settings });
    return (work) => work(server);
  }
  return async (work) => {
    const engine = startEngine();
    try {
      return await work(localJudge(model, await policyOf({ model }), engine));
    } finally {
      await engine.close();
    }
  };
}
