/** `POST /v1/load_lora_adapter` and `/v1/unload_lora_adapter`, as in vLLM. The response to a successful request is text, not JSON. */
import { z } from 'zod';
import { loadParameters, unloadParameters } from './unsupported.ts';

const loraName = z.string().min(1);

/** `lora_path` is the path of a PEFT folder on the server. */
export const loadRequest = z.strictObject({ lora_name: loraName, lora_path: z.string().min(1), ...loadParameters });
export type LoadRequest = z.infer<typeof loadRequest>;

export const unloadRequest = z.strictObject({ lora_name: loraName, ...unloadParameters });
export type UnloadRequest = z.infer<typeof unloadRequest>;

/** Part of the error message of vLLM and selm when an adapter of this name is loaded. There is no error code for it. */
export const ALREADY_LOADED = 'has already been loaded';
