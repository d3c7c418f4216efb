/** unloadAdapter: unloads a policy's adapter from a server after sampling. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import { unloadAdapter as unload } from '../openai/client/adapters.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { adapterName, clientOf } from './sampling-server.ts';
import type { Activity } from './step.ts';

interface UnloadInput {
  policy: Address;
  server: SamplerSettings;
}

/** Never fails: an adapter that stays loaded only uses the server's memory. */
export const unloadAdapter: Activity<UnloadInput, { unloaded: boolean }> = async (
  { store },
  { policy, server },
  options,
) => {
  try {
    const name = await adapterName(store, policy);
    if (name === undefined) return { unloaded: false };
    await unload(clientOf({ ...server, retries: 0 }, name), name, options.signal);
    if (server.adapterFolder !== undefined)
      await rm(join(server.adapterFolder, name), { recursive: true, force: true });
    return { unloaded: true };
  } catch {
    options.signal?.throwIfAborted();
    return { unloaded: false };
  }
};
