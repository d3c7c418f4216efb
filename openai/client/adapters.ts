/** LoRA adapters that a server loads and unloads while it runs, as vLLM has it. */
import { InputError } from '../../data/errors.ts';
import type { ChatServer } from './client.ts';
import { NotThere, RequestRefused } from './errors.ts';

/**
 * Has a server answer by an adapter from now on. Loading what is loaded does nothing.
 * @param name what requests call it
 * @param path PEFT folder, as the server sees it
 * @throws InputError when the server takes no adapters, or not this one
 */
export async function loadAdapter(server: ChatServer, name: string, path: string, signal?: AbortSignal): Promise<void> {
  try {
    await server.post('/load_lora_adapter', { lora_name: name, lora_path: path }, signal);
  } catch (error) {
    if (error instanceof RequestRefused && /already been loaded/.test(error.said)) return;
    if (error instanceof RequestRefused || error instanceof NotThere) {
      throw new InputError(
        `${server.url} did not load the adapter ${path} (${error.said}); vLLM needs --enable-lora, a --max-lora-rank of at least the adapter's rank and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, \`selm serve\` needs --adapters with a folder that the adapter is in, and the server must see the folder (sample.server.adapterFolder).`,
      );
    }
    throw error;
  }
}

/** @throws as a request does; NotThere when it is not loaded */
export async function unloadAdapter(server: ChatServer, name: string, signal?: AbortSignal): Promise<void> {
  await server.post('/unload_lora_adapter', { lora_name: name }, signal);
}
