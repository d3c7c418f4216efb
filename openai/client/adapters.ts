/** Loads and unloads LoRA adapters on a running server, with vLLM's API. */
import { InputError } from '../../data/errors.ts';
import { NotOnServer, RequestRefused } from '../errors.ts';
import { ALREADY_LOADED, type LoadRequest, type UnloadRequest } from '../schema/adapters.ts';
import type { OpenAiClient } from './client.ts';

/**
 * Loads an adapter. Does nothing if an adapter with this name is already loaded.
 * @param name the adapter's model name in requests
 * @param path the PEFT folder; a path on the server
 * @throws InputError when the server loads no adapters, or rejects this one
 */
export async function loadAdapter(
  client: OpenAiClient,
  name: string,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  const request: LoadRequest = { lora_name: name, lora_path: path };
  try {
    await client.post('/load_lora_adapter', request, signal);
  } catch (error) {
    if (error instanceof RequestRefused && error.said.includes(ALREADY_LOADED)) return;
    if (error instanceof RequestRefused || error instanceof NotOnServer) {
      throw new InputError(
        `${client.url} did not load the adapter ${path} (${error.said}); vLLM needs --enable-lora, ` +
          "a --max-lora-rank of at least the adapter's rank and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, " +
          '`selm serve` needs --adapters with a folder that the adapter is in, ' +
          'and the server must see the folder (sample.server.adapterFolder).',
      );
    }
    throw error;
  }
}

/**
 * Unloads an adapter.
 * @throws NotOnServer when the adapter is not loaded, and the errors of `OpenAiClient.post`
 */
export async function unloadAdapter(client: OpenAiClient, name: string, signal?: AbortSignal): Promise<void> {
  const request: UnloadRequest = { lora_name: name };
  await client.post('/unload_lora_adapter', request, signal);
}

/** Sends a request; if the server does not have the adapter, loads it and sends the request again. `signal` aborts the loading. */
export type Loading = <T>(request: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

/** @param load loads the adapter: once for all concurrent requests that failed because it was unloaded. Absent for a base model */
export function loadingAgain(load?: (signal?: AbortSignal) => Promise<void>): Loading {
  let loading: Promise<void> | undefined;
  const loadOnce = (signal?: AbortSignal) => (loading ??= load!(signal).finally(() => (loading = undefined)));
  return async (request, signal) =>
    request().catch(async (error: unknown) => {
      // The adapter was unloaded, or the server has restarted.
      if (!(error instanceof NotOnServer) || !load) throw error;
      await loadOnce(signal);
      return request();
    });
}
