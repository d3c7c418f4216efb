/** The models behind an endpoint: a policy, and adapters of its model that clients load while it runs. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import type { Engine, Policy } from '../../engine/protocol/jobs.ts';
import { copyAdapter } from './adapter-folders.ts';
import { Answers } from './answers.ts';
import { Refused } from './refused.ts';

/** A model as clients are told of it; of an adapter, where it was loaded from and what it is on top of. */
interface ModelCard {
  id: string;
  object: 'model';
  created: number;
  owned_by: 'selm';
  root?: string;
  parent?: string;
}

interface Served {
  card: ModelCard;
  answers: Answers;
  /** Of an adapter: its copy. */
  copy?: string;
}

export interface AdapterRequest {
  lora_name: string;
  lora_path: string;
}

/** Adapters that clients load. */
export interface AdapterSettings {
  /** Folders that they are in. */
  folders: string[];
  /** Where their copies are kept. */
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
   * @param name what clients call the policy
   * @param adapters without it clients cannot load any
   */
  constructor(name: string, policy: Policy, engine: Engine, adapters?: AdapterSettings) {
    this.name = name;
    this.policy = policy;
    this.engine = engine;
    this.adapters = adapters;
    this.served.set(name, { card: this.cardOf(name), answers: new Answers(policy, engine) });
  }

  list = (): ModelCard[] => [...this.served.values()].map(({ card }) => card);

  /** @throws Refused when there is no such model */
  card = (id: string): ModelCard => this.find(id).card;

  /** @throws Refused when there is no such model */
  answers = (id: string): Answers => this.find(id).answers;

  /**
   * Serves an adapter from now on. It is copied: what has been loaded does not change with the folder it was in.
   * @throws Refused when clients may not load any, or none from there, or the name is taken
   * @throws InputError when the adapter is missing, damaged or does not fit the model
   */
  async load({ lora_name: name, lora_path: path }: AdapterRequest): Promise<void> {
    const { folders, copies } = this.adapterSettings();
    this.checkFree(name);
    const copy = join(copies, String(this.loads++));
    try {
      await copyAdapter(path, folders, copy);
      this.checkFree(name);
      const answers = new Answers({ ...this.policy, adapter: copy }, this.engine);
      this.served.set(name, { card: { ...this.cardOf(name), root: path, parent: this.name }, answers, copy });
    } catch (error) {
      await rm(copy, { recursive: true, force: true });
      // The copy is nothing that a client knows of.
      if (error instanceof InputError) throw new InputError(error.message.replaceAll(copy, path));
      throw error;
    }
  }

  /** Requests under way are answered still. @throws Refused when clients may not load any, or there is none of this name */
  unload(name: string): void {
    this.adapterSettings();
    const { copy, answers } = this.find(name);
    if (copy === undefined) throw new Refused(400, `"${name}" is no adapter: it stays.`, null, 'lora_name');
    this.served.delete(name);
    void answers.settled().then(() => rm(copy, { recursive: true, force: true }));
  }

  private adapterSettings(): AdapterSettings {
    if (this.adapters) return this.adapters;
    throw new Refused(404, 'This endpoint takes no adapters: start it with `selm serve --adapters FOLDER`.');
  }

  private checkFree(name: string): void {
    if (this.served.has(name))
      throw new Refused(400, `The adapter "${name}" has already been loaded.`, null, 'lora_name');
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
