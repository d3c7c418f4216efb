/** The artifact store: what every step reads and writes. */
import type { Address, Manifest, Recipe, StepKey } from './manifest.ts';

export interface ArtifactStore {
  /** The artifact that a step with this key has made, if it is there undamaged. */
  find(key: StepKey): Promise<Address | undefined>;

  /**
   * Makes an artifact: `fill` writes its files into an empty folder, which then becomes immutable. It is there wholly or not
   * at all; of two that finish the same step, both get the same address.
   */
  create(kind: string, recipe: Recipe, fill: (folder: string) => Promise<void>): Promise<Address>;

  /**
   * A local folder with the artifact's files, their hashes checked.
   * @throws ArtifactDamaged when the artifact is missing or its files are not what they were
   */
  open(address: Address): Promise<string>;

  manifest(address: Address): Promise<Manifest>;

  /**
   * The text of one of an artifact's files, its hash checked. The others, which may be large, are neither read nor fetched.
   * @throws ArtifactDamaged when the artifact or the file is missing, or the file is not what it was
   */
  readText(address: Address, path: string): Promise<string>;

  /** A local folder for the checkpoints of a step that is not finished, those kept before in it. Gone once its artifact is there. */
  openCheckpoints(key: StepKey): Promise<string>;

  /** Keeps what is in that folder where a worker on another machine finds it. */
  saveCheckpoints(key: StepKey): Promise<void>;

  /**
   * Makes an artifact the next version of a name, at once for everybody. Doing it again changes nothing.
   * @returns the version, counted from 1
   */
  publishName(name: string, address: Address): Promise<number>;

  /**
   * The artifact that is a version of a name, if there is one.
   * @throws InputError when the version is there, and holds no address
   */
  resolveName(name: string, version: number | 'latest'): Promise<Address | undefined>;

  /**
   * All versions of all names, by name and version. Files that are none are ignored.
   * @throws InputError when a version holds no address
   */
  listNames(): Promise<NamedVersion[]>;

  /** Notes that runs on this server use the store. */
  addServer(server: StoreServer): Promise<void>;

  /** The servers whose runs use the store: what they reach is needed. */
  listServers(): Promise<StoreServer[]>;

  /** Every artifact that is there and whose manifest is undamaged, for garbage collection. */
  list(): Promise<StoredArtifact[]>;

  /** Removes an artifact. */
  remove(address: Address): Promise<void>;

  /** Removes what work that was broken off has left, checkpoints too, where nothing has changed since. */
  removeLeftovers(before: Date): Promise<void>;
}

/** The store of those who only look: it changes nothing. */
export type ReadableStore = Pick<ArtifactStore, 'manifest' | 'readText' | 'resolveName' | 'listNames'>;

/** A version of a name. */
export interface NamedVersion {
  name: string;
  version: number;
  address: Address;
}

/** A Temporal namespace whose runs use a store. */
export interface StoreServer {
  /** The namespace's UUID, which stays the same whatever address the server has. */
  id: string;
  /** Where it was last found, for messages. */
  place: string;
  /** Of an embedded server: its home folder (SELM_HOME), and the name of the machine that this folder is on. */
  embedded?: { home: string; host: string };
}

/** An artifact as it lies in the store. */
export interface StoredArtifact {
  address: Address;
  manifest: Manifest;
  created: Date;
}
