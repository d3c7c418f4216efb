/** `POST /v1/load_lora_adapter` and `/v1/unload_lora_adapter`, as in vLLM. A success is answered by a text instead of JSON. */
import { z } from 'zod';
import { loadParameters, unloadParameters } from './unsupported.ts';

const loraName = z.string().min(1);

/** `lora_path` is a PEFT folder, as the server sees it. */
export const loadRequest = z.strictObject({ lora_name: loraName, lora_path: z.string().min(1), ...loadParameters });
export type LoadRequest = z.infer<typeof loadRequest>;

export const unloadRequest = z.strictObject({ lora_name: loraName, ...unloadParameters });
export type UnloadRequest = z.infer<typeof unloadRequest>;

/** In the error for an adapter whose name is loaded, of vLLM and of selm: servers have no code for it. */
export const ALREADY_LOADED = 'has already been loaded';
