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

  /** Where a step that is not finished keeps its checkpoints; gone once its artifact is there. */
  checkpointFolder(key: StepKey): string;
}

/** An artifact is missing, or not what its hash says. Trying the step that made it again makes it anew. */
export class ArtifactDamaged extends Error {
  override readonly name = 'ArtifactDamaged';
  readonly address: Address;

  constructor(address: Address, problem: string) {
    super(`Artifact ${address.slice(0, 12)} is damaged: ${problem}; it will be made again.`);
    this.address = address;
  }
}
