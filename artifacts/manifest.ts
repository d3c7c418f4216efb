/** An artifact's manifest: its files, and the recipe that it is computed from. */
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { isTooDeep } from '../data/json.ts';
import { isContained } from '../data/paths.ts';
import { hashText, hashValue } from './hash.ts';
import { ArtifactDamaged } from './errors.ts';

/** An artifact's name: the SHA-256 of its manifest. */
export type Address = string;

const ADDRESS = /^[0-9a-f]{64}$/;

/** Whether a text that was read from a file, an object or a name is an address. */
export const isAddress = (text: string): text is Address => ADDRESS.test(text);

/** What an artifact is computed from. The same recipe gives the same artifact, so its hash is the step key. */
export interface Recipe {
  step: string;
  parameters: unknown;
  /** Addresses of the artifacts that the step reads, by their role. */
  inputs: Record<string, Address | Address[]>;
  seed: number;
  /** The version of selm that computed it. Absent if selm did not compute it: imports, samples of a server. */
  selm?: string;
  /** The backend that computed it, with its version, such as `onnxruntime 1.30.0`. Absent if none was used. */
  backend?: string;
  /** Both versions in one text: the form in manifests of earlier versions of selm. */
  engineVersion?: string;
}

/** The versions that computed an artifact, such as `selm 0.4.0, onnxruntime 1.30.0`; undefined if selm did not compute it. */
export function versionsOf({ selm, backend, engineVersion }: Recipe): string | undefined {
  if (engineVersion !== undefined) return engineVersion;
  if (selm === undefined) return undefined;
  return [`selm ${selm}`, ...(backend === undefined ? [] : [backend])].join(', ');
}

/** A file of an artifact. `path` is relative to the artifact's folder, `size` is in bytes, `sha256` is in hex. */
export interface ManifestFile {
  path: string;
  size: number;
  sha256: string;
}

/** The name of an artifact's manifest among its files. */
export const MANIFEST = 'manifest.json';

/** The content of an artifact's `manifest.json`. Its hash is the artifact's address. */
export interface Manifest {
  kind: string;
  files: ManifestFile[];
  recipe: Recipe;
}

/** Validates manifests from a store, which other programs may have written. */
const manifestSchema = z.object({
  kind: z.string(),
  files: z.array(
    z.object({
      path: z.string().refine(isContained, 'expected a path inside the artifact'),
      size: z.int().min(0),
      sha256: z.string().regex(ADDRESS, 'expected a SHA-256'),
    }),
  ),
  recipe: z.object({
    step: z.string(),
    parameters: z.unknown(),
    inputs: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
    seed: z.number(),
    selm: z.string().optional(),
    backend: z.string().optional(),
    engineVersion: z.string().optional(),
  }),
});

/** The SHA-256 of a recipe, in hex. */
export type StepKey = string;
/** The step key of a recipe. */
export const stepKey = (recipe: Recipe): StepKey => hashValue(recipe);
/** The address of the artifact with this manifest. */
export const addressOf = (manifest: Manifest): Address => hashValue(manifest);

/**
 * The only input of a role.
 * @throws Error when the recipe has no input of this role, or several
 */
export function inputOf({ recipe: { step, inputs } }: Manifest, role: string): Address {
  const address = inputs[role];
  if (typeof address === 'string') return address;
  throw new Error(`The recipe of step ${step} has ${address ? `${address.length} inputs` : 'no input'} "${role}".`);
}

/**
 * Parses the manifest of an artifact.
 * @throws ArtifactDamaged when the hash of `text` is not the address
 * @throws InputError when the hash is correct, but `text` is not a manifest or names files outside the artifact's folder
 */
export function parseManifest(address: Address, text: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch {
    throw new ArtifactDamaged(address, 'its manifest is cut short');
  }
  if (isTooDeep(manifest) || addressOf(manifest) !== address)
    throw new ArtifactDamaged(address, 'its manifest was changed');
  const issue = manifestSchema.safeParse(manifest).error?.issues[0];
  if (issue) {
    throw new InputError(
      `Artifact ${address} was not made by selm: "${issue.path.join('.')}" in its manifest is not valid ` +
        `(${issue.message}). It is not opened: remove it from the store.`,
    );
  }
  return manifest;
}

/** Checks a file's text by its hash in the manifest. @throws ArtifactDamaged when the text is missing or differs */
export function checkText(address: Address, { files }: Manifest, path: string, text: string | undefined): string {
  const file = files.find((entry) => entry.path === path);
  if (text === undefined || !file) throw new ArtifactDamaged(address, `${path} is not in the store`, true);
  if (hashText(text) !== file.sha256) throw new ArtifactDamaged(address, `${path} was changed`);
  return text;
}
