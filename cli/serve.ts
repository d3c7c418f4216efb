import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import { Command } from 'commander';
import { z } from 'zod';
import { endpoint } from '../endpoint/app.ts';
import { Models } from '../endpoint/models.ts';
import { startEngine } from '../engine/host.ts';
import { addSettings, readSettings } from './settings.ts';
import { addPolicy, policyOf, type PolicyFlags } from './step.ts';

const portSchema = z.object({ port: z.int().min(0).max(65535).default(8000).describe('Port; 0 takes a free one.') });

interface Flags extends PolicyFlags {
  host: string;
  name?: string;
  adapters?: boolean;
}

/** `selm serve`: a policy behind an OpenAI-compatible endpoint, until Ctrl-C. */
export function serveCommand(): Command {
  const command = new Command('serve').description('Serve a policy to OpenAI-compatible clients.');
  addPolicy(command);
  addSettings(command, portSchema, ['port']);
  return command
    .option('--host <address>', 'Address to listen on. There is no authentication.', '127.0.0.1')
    .option('--name <name>', 'What clients call the model. Default: what --model says.')
    .option(
      '--adapters',
      'Let clients load and unload LoRA adapters, as with vLLM: any folder that this process can read.',
    )
    .action(async (flags: Flags & Record<string, unknown>) => {
      const { port } = readSettings(portSchema, flags, ['port']);
      const engine = startEngine();
      const copies = flags.adapters ? await mkdtemp(join(tmpdir(), 'selm-adapters-')) : undefined;
      const app = endpoint(new Models(flags.name ?? flags.model, await policyOf(flags), engine, copies));
      const server = serve({ fetch: app.fetch, hostname: flags.host, port });
      try {
        await once(server, 'listening');
        const { address, port: taken } = server.address() as AddressInfo;
        console.log(`Serving at http://${address}:${taken}/v1`);
        await new Promise((stop) => {
          process.once('SIGINT', stop);
          process.once('SIGTERM', stop);
        });
      } finally {
        server.close();
        await engine.close();
        if (copies !== undefined) await rm(copies, { recursive: true });
      }
    });
}
