/** What an artifact says of itself. */
import { hashValue } from './hash.ts';

/** An artifact's name: the SHA-256 of its manifest. */
export type Address = string;

/** How an artifact is made. The same recipe makes the same artifact, so its hash is the step's key. */
export interface Recipe {
  step: string;
  parameters: unknown;
  /** Addresses of the artifacts that go in, by their role. */
  inputs: Record<string, Address | Address[]>;
  seed: number;
  /** Of the program that makes it: another version may make other bits. */
  engineVersion: string;
}

export interface ManifestFile {
  path: string;
  size: number;
  sha256: string;
}

export interface Manifest {
  kind: string;
  files: ManifestFile[];
  recipe: Recipe;
}

export type StepKey = string;
export const stepKey = (recipe: Recipe): StepKey => hashValue(recipe);
export const addressOf = (manifest: Manifest): Address => hashValue(manifest);
