/** The interface of the artifact store, which every step reads and writes. */
import type { Address, Manifest, Recipe, StepKey } from './manifest.ts';
import type { ModelCopies } from './models.ts';

/** The artifact store of a worker or a command. */
export interface ArtifactStore {
  /** The undamaged artifact of the step with this key, if the store has it. */
  find(key: StepKey): Promise<Address | undefined>;

  /**
   * Creates an artifact: `fill` writes its files into an empty folder, which then becomes immutable. Other processes see the
   * complete artifact or nothing. If two processes finish the same step, both get the address of the first artifact.
   */
  create(kind: string, recipe: Recipe, fill: (folder: string) => Promise<void>): Promise<Address>;

  /**
   * A local folder with the artifact's files, whose hashes have been checked.
   * @throws ArtifactDamaged when the artifact is missing or its files have changed
   */
  open(address: Address): Promise<string>;

  /**
   * As `open`, but only the files that `needed` selects by path are there for sure: a worker may have no disk for the others.
   * @throws ArtifactDamaged like `open`
   */
  openFiles(address: Address, needed: (path: string) => boolean): Promise<string>;

  manifest(address: Address): Promise<Manifest>;

  /**
   * The text of one file of an artifact, after checking the file's hash. The other files, which may be large, are not read.
   * @throws ArtifactDamaged when the artifact or the file is missing, or the file has changed
   */
  readText(address: Address, path: string): Promise<string>;

  /** A local folder with the checkpoints of an unfinished step. It is removed once the step's artifact exists. */
  openCheckpoints(key: StepKey): Promise<string>;

  /**
   * Saves the checkpoints in the folder of openCheckpoints() for workers on other machines.
   * @param done aborted when the step has no use for them any more
   */
  saveCheckpoints(key: StepKey, done?: AbortSignal): Promise<void>;

  /**
   * Makes an artifact the next version of a name, atomically. If it is already the latest version, nothing changes.
   * @returns the version, counted from 1
   */
  publishName(name: string, address: Address): Promise<number>;

  /**
   * The artifact of a name's version, if there is one.
   * @throws InputError when the version does not hold an address
   */
  resolveName(name: string, version: number | 'latest'): Promise<Address | undefined>;

  /**
   * All versions of all names, ordered by name and version. Other files are ignored.
   * @throws InputError when a version does not hold an address
   */
  listNames(): Promise<NamedVersion[]>;

  /**
   * Copies of hub models for workers on many machines, which may have no route to the hub. Absent in a store on one machine: its hub
   * cache is the only copy.
   */
  readonly models?: ModelCopies;

  /** Records that runs on this server use the store. */
  addServer(server: StoreServer): Promise<void>;

  /** The servers whose runs use the store: garbage collection keeps what these runs need. */
  listServers(): Promise<StoreServer[]>;

  /** All artifacts whose manifest is undamaged, for garbage collection. */
  list(): Promise<StoredArtifact[]>;

  /** Removes an artifact. */
  remove(address: Address): Promise<void>;

  /**
   * Removes unfinished artifacts and checkpoints that have not changed since `before`. What selm has not written stays: a bucket or a folder
   * may hold other files.
   * @returns how many were removed
   */
  removeLeftovers(before: Date): Promise<number>;
}

/** The read-only part of the store. */
export type ReadableStore = Pick<ArtifactStore, 'manifest' | 'readText' | 'resolveName' | 'listNames'>;

/** A version of a name. */
export interface NamedVersion {
  name: string;
  version: number;
  address: Address;
}

/** A Temporal namespace whose runs use a store. */
export interface StoreServer {
  /** The namespace's UUID, which does not change with the server's address. */
  id: string;
  /** Its last known address, for messages. */
  place: string;
  /** For an embedded server: its home folder (SELM_HOME) and the host name of the machine with this folder. */
  embedded?: { home: string; host: string };
}

/** An artifact in the store. */
export interface StoredArtifact {
  address: Address;
  manifest: Manifest;
  created: Date;
}
