import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { InputError } from '../../data/errors.ts';
import { readSecret, type Secret } from '../../data/secret.ts';
import { endpoint } from '../../openai/server/app.ts';
import { Models } from '../../openai/server/models.ts';
import { ENDING_SECONDS, hostsOf, listen, listenFlags } from '../listen.ts';
import type { GivenFlags } from '../settings.ts';
import { addPolicy, chatTemplateOf, policyOf, type PolicyFlags } from '../step.ts';
import { startEngine } from '../../engine/backends.ts';

const addressFlags = listenFlags(8000, 'Without --api-key there is no authentication.');

interface Flags extends PolicyFlags {
  name?: string;
  adapters?: string[];
  apiKey?: string[];
}

/** `selm serve`: serve a policy by an OpenAI-compatible API until Ctrl-C. */
export function serveCommand(): Command {
  const command = new Command('serve').description(
    'Serve a policy by an OpenAI-compatible API. ' +
      `After Ctrl-C or SIGTERM, requests in progress have ${ENDING_SECONDS} s to finish.`,
  );
  addPolicy(command);
  return addressFlags
    .addTo(command)
    .option('--name <name>', 'Name of the model for clients. Default: the value of --model.')
    .option(
      '--adapters <folder...>',
      'Let clients load and unload LoRA adapters from these folders, as with vLLM. Their own chat templates apply.',
    )
    .addOption(
      new Option('--api-key <key...>', 'API keys; each request must have one of them (Authorization: Bearer KEY).').env(
        'SELM_API_KEY',
      ),
    )
    .action(async (flags: Flags & GivenFlags) => {
      const at = addressFlags.read(flags);
      const engine = startEngine();
      const { adapters: folders = [] } = flags;
      checkFolders(folders);
      const access = { hosts: hostsOf(at.host), apiKeys: apiKeysOf(flags) };
      const copies = folders.length > 0 ? await mkdtemp(join(tmpdir(), 'selm-adapters-')) : undefined;
      try {
        const chatTemplate = chatTemplateOf(flags);
        const adapters = copies === undefined ? undefined : { folders, copies, ...(chatTemplate && { chatTemplate }) };
        const app = endpoint(new Models(flags.name ?? flags.model, await policyOf(flags), engine, adapters), access);
        await listen(app, at, (address) => console.log(`Serving at ${address}/v1`));
      } finally {
        await engine.close();
        if (copies !== undefined) await rm(copies, { recursive: true });
      }
    });
}

/** @throws InputError for a path that is not a folder */
function checkFolders(folders: string[]): void {
  const missing = folders.find((folder) => !statSync(folder, { throwIfNoEntry: false })?.isDirectory());
  if (missing !== undefined) throw new InputError(`--adapters ${missing} is not a folder; give a folder of adapters.`);
}

/** @throws InputError for an empty key, which would accept every request */
function apiKeysOf({ apiKey }: Flags): Secret[] | undefined {
  return apiKey?.map((given) => {
    const key = readSecret('--api-key (SELM_API_KEY)', given);
    if (key) return key;
    throw new InputError(
      '--api-key (SELM_API_KEY) is empty; give a key, or remove it to serve without authentication.',
    );
  });
}
