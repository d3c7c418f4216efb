import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { endpoint } from '../endpoint/app.ts';
import { Models } from '../endpoint/models.ts';
import { startEngine } from '../engine/host.ts';
import { listen, portSchema } from './listen.ts';
import { addSettings, readSettings } from './settings.ts';
import { addPolicy, policyOf, type PolicyFlags } from './step.ts';

const schema = portSchema(8000);

interface Flags extends PolicyFlags {
  host: string;
  name?: string;
  adapters?: boolean;
}

/** `selm serve`: a policy behind an OpenAI-compatible endpoint, until Ctrl-C. */
export function serveCommand(): Command {
  const command = new Command('serve').description('Serve a policy to OpenAI-compatible clients.');
  addPolicy(command);
  addSettings(command, schema, ['port']);
  return command
    .option('--host <address>', 'Address to listen on. There is no authentication.', '127.0.0.1')
    .option('--name <name>', 'What clients call the model. Default: what --model says.')
    .option(
      '--adapters',
      'Let clients load and unload LoRA adapters, as with vLLM: any folder that this process can read.',
    )
    .action(async (flags: Flags & Record<string, unknown>) => {
      const { port } = readSettings(schema, flags, ['port']);
      const engine = startEngine();
      const copies = flags.adapters ? await mkdtemp(join(tmpdir(), 'selm-adapters-')) : undefined;
      try {
        const app = endpoint(new Models(flags.name ?? flags.model, await policyOf(flags), engine, copies));
        await listen(app, { host: flags.host, port }, (address) => console.log(`Serving at ${address}/v1`));
      } finally {
        await engine.close();
        if (copies !== undefined) await rm(copies, { recursive: true });
      }
    });
}
