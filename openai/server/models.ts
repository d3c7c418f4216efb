/** The models that an endpoint serves: a policy, and adapters of its base model that clients load while it runs. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import type { Engine, Policy } from '../../engine/protocol/jobs.ts';
import { ALREADY_LOADED, type LoadRequest } from '../schema/adapters.ts';
import type { ModelCard } from '../schema/models.ts';
import { copyAdapter } from './adapter-folders.ts';
import { Responder } from './responder.ts';
import { Refused } from './refused.ts';

interface Served {
  card: ModelCard;
  responder: Responder;
  /** An adapter's own folder, a copy of the one that it was loaded from. */
  copy?: string;
}

/** Which adapters clients may load. */
interface AdapterSettings {
  /** Adapters in these folders. */
  folders: string[];
  /** Folder for their copies. */
  copies: string;
}

export class Models {
  private readonly name: string;
  private readonly policy: Policy;
  private readonly engine: Engine;
  private readonly adapters: AdapterSettings | undefined;
  private readonly served = new Map<string, Served>();
  private loads = 0;

  /**
   * @param name by which clients request the policy
   * @param adapters absent: clients cannot load any
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
   * Serves an adapter from now on. Its files are copied: later changes in its folder have no effect.
   * @throws Refused when clients may not load adapters, or none from this folder, or the name is taken
   * @throws InputError when the adapter is missing, damaged or does not fit the model
   */
  async load({ lora_name: name, lora_path: path }: LoadRequest): Promise<void> {
    const { folders, copies } = this.adapterSettings();
    this.checkFree(name);
    const copy = join(copies, String(this.loads++));
    try {
      await copyAdapter(path, folders, copy);
      this.checkFree(name);
      const responder = new Responder({ ...this.policy, adapter: copy }, this.engine);
      this.served.set(name, { card: { ...this.cardOf(name), root: path, parent: this.name }, responder, copy });
    } catch (error) {
      await rm(copy, { recursive: true, force: true });
      // Errors name the folder that the client knows, not the copy.
      if (error instanceof InputError) throw new InputError(error.message.replaceAll(copy, path));
      throw error;
    }
  }

  /**
   * Requests under way are still answered.
   * @throws Refused when clients may not load adapters, or there is none of this name
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
