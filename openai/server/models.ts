/** The models of an endpoint: a policy, and adapters of its base model that clients load at run time. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import type { ChatTemplateSettings, Engine, Policy } from '../../engine/protocol/jobs.ts';
import { withTemplateOf } from '../../engine/tokenizer/template-files.ts';
import { ALREADY_LOADED, type LoadRequest } from '../schema/adapters.ts';
import type { ModelCard } from '../schema/models.ts';
import { copyAdapter } from './adapter-folders.ts';
import { Responder } from './responder.ts';
import { Refused } from './refused.ts';

interface Served {
  card: ModelCard;
  responder: Responder;
  /** The folder with the copy of an adapter. */
  copy?: string;
}

/** Settings for adapters that clients load. */
interface AdapterSettings {
  /** Clients can load adapters from these folders only. */
  folders: string[];
  /** Folder for the copies of loaded adapters. */
  copies: string;
  /** Replaces their own chat templates. */
  chatTemplate?: ChatTemplateSettings;
}

/** The models of an endpoint by name. */
export class Models {
  private readonly name: string;
  private readonly policy: Policy;
  private readonly engine: Engine;
  private readonly adapters: AdapterSettings | undefined;
  private readonly served = new Map<string, Served>();
  private loads = 0;

  /**
   * @param name the policy's model name in requests
   * @param adapters if absent, clients cannot load adapters
   */
  constructor(name: string, policy: Policy, engine: Engine, adapters?: AdapterSettings) {
    this.name = name;
    this.policy = policy;
    this.engine = engine;
    this.adapters = adapters;
    this.served.set(name, { card: this.cardOf(name), responder: new Responder(policy, engine) });
  }

  list = (): ModelCard[] => [...this.served.values()].map(({ card }) => card);

  /** @throws Refused when there is no such model */
  card = (id: string): ModelCard => this.find(id).card;

  /** @throws Refused when there is no such model */
  responder = (id: string): Responder => this.find(id).responder;

  /**
   * Loads an adapter. Its files are copied, so later changes in its folder have no effect.
   * @throws Refused when clients cannot load adapters or not from this folder, or when the name is already used
   * @throws InputError when the adapter is missing, damaged or does not fit the model
   */
  async load({ lora_name: name, lora_path: path }: LoadRequest): Promise<void> {
    const { folders, copies, chatTemplate: given } = this.adapterSettings();
    this.checkFree(name);
    const copy = join(copies, String(this.loads++));
    try {
      await copyAdapter(path, folders, copy);
      this.checkFree(name);
      const chatTemplate = withTemplateOf(copy, given) ?? this.policy.chatTemplate;
      const { model } = this.policy;
      const policy = { model, adapter: copy, ...(chatTemplate && { chatTemplate }) };
      const responder = new Responder(policy, this.engine);
      this.served.set(name, { card: { ...this.cardOf(name), root: path, parent: this.name }, responder, copy });
    } catch (error) {
      await rm(copy, { recursive: true, force: true });
      // The error shows the path from the request, not the path of the copy.
      if (error instanceof InputError) throw new InputError(error.message.replaceAll(copy, path));
      throw error;
    }
  }

  /**
   * Unloads an adapter. Requests in progress are completed.
   * @throws Refused when clients cannot load adapters, or no adapter has this name
   */
  unload(name: string): void {
    this.adapterSettings();
    const { copy, responder } = this.find(name);
    if (copy === undefined)
      throw new Refused(400, `"${name}" is not an adapter and cannot be unloaded.`, null, 'lora_name');
    this.served.delete(name);
    void responder.settled().then(() => rm(copy, { recursive: true, force: true }));
  }

  private adapterSettings(): AdapterSettings {
    if (this.adapters) return this.adapters;
    throw new Refused(404, 'This endpoint takes no adapters: start it with `selm serve --adapters FOLDER`.');
  }

  private checkFree(name: string): void {
    if (this.served.has(name)) throw new Refused(400, `The adapter "${name}" ${ALREADY_LOADED}.`, null, 'lora_name');
  }

  private find(id: string): Served {
    const found = this.served.get(id);
    if (found) return found;
    const names = [...this.served.keys()].map((name) => `"${name}"`).join(', ');
    throw new Refused(
      404,
      `The model "${id}" does not exist; this endpoint serves ${names}.`,
      'model_not_found',
      'model',
    );
  }

  private cardOf = (id: string): ModelCard => ({
    id,
    object: 'model',
    created: Math.floor(Date.now() / 1000),
    owned_by: 'selm',
  });
}
