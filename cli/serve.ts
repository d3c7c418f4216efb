import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { InputError } from '../data/errors.ts';
import { readSecret, type Secret } from '../data/secret.ts';
import { endpoint } from '../openai/server/app.ts';
import { Models } from '../openai/server/models.ts';
import { ENDING_SECONDS, hostsOf, listen, portSchema } from './listen.ts';
import { addSettings, readSettings } from './settings.ts';
import { addPolicy, policyOf, type PolicyFlags } from './step.ts';
import { startEngine } from '../engine/backends.ts';

const schema = portSchema(8000);

interface Flags extends PolicyFlags {
  host: string;
  name?: string;
  adapters?: string[];
  apiKey?: string[];
}

/** `selm serve`: a policy behind an OpenAI-compatible endpoint, until Ctrl-C. */
export function serveCommand(): Command {
  const command = new Command('serve').description(
    `Serve a policy to OpenAI-compatible clients. At Ctrl-C or SIGTERM, requests under way have ${ENDING_SECONDS} s to end.`,
  );
  addPolicy(command);
  addSettings(command, schema, ['port']);
  return command
    .option('--host <address>', 'Address to listen on. Without an API key there is no authentication.', '127.0.0.1')
    .option('--name <name>', 'What clients call the model. Default: what --model says.')
    .option('--adapters <folder...>', 'Let clients load and unload LoRA adapters in these folders, as with vLLM.')
    .addOption(
      new Option('--api-key <key...>', 'Keys, one of which requests must have (Authorization: Bearer KEY).').env(
        'SELM_API_KEY',
      ),
    )
    .action(async (flags: Flags & Record<string, unknown>) => {
      const { port } = readSettings(schema, flags, ['port']);
      const engine = startEngine();
      const { host, adapters: folders = [] } = flags;
      checkFolders(folders);
      const access = { hosts: hostsOf(host), apiKeys: apiKeysOf(flags) };
      const copies = folders.length > 0 ? await mkdtemp(join(tmpdir(), 'selm-adapters-')) : undefined;
      try {
        const adapters = copies === undefined ? undefined : { folders, copies };
        const app = endpoint(new Models(flags.name ?? flags.model, await policyOf(flags), engine, adapters), access);
        await listen(app, { host, port }, (address) => console.log(`Serving at ${address}/v1`));
      } finally {
        await engine.close();
        if (copies !== undefined) await rm(copies, { recursive: true });
      }
    });
}

/** @throws InputError for what is no folder: every adapter in it would be refused */
function checkFolders(folders: string[]): void {
  const missing = folders.find((folder) => !statSync(folder, { throwIfNoEntry: false })?.isDirectory());
  if (missing !== undefined) throw new InputError(`--adapters ${missing} is no folder; give one that adapters are in.`);
}

/** @throws InputError for an empty key: it would let everybody in */
function apiKeysOf({ apiKey }: Flags): Secret[] | undefined {
  return apiKey?.map((given) => {
    const key = readSecret('--api-key (SELM_API_KEY)', given);
    if (key) return key;
    throw new InputError('--api-key (SELM_API_KEY) is empty; give a key, or leave it out to serve without one.');
  });
}
