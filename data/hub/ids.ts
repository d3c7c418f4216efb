/** Ids of models and data sets on the Hugging Face hub. Their syntax distinguishes them from paths. */
import type { RepoId } from '@huggingface/hub';

// Names begin with a letter or digit, unlike paths such as `./model`. Git allows no revision with two dots.
const MODEL_ID = /^(\w[\w.-]*\/\w[\w.-]*)(?:@((?:(?!\.\.)[\w./-])+))?$/;
const DATASET_ID = /^(\w[\w.-]*\/\w[\w.-]*)(?:\/([\w.-]+))?(?::([\w.-]+))?$/;

/** What a model's id names. */
export interface ModelId {
  /** `org/name`. */
  name: string;
  /** A branch, a tag or a commit. Undefined if the id has none. */
  revision: string | undefined;
}

/** The parts of a model's hub id `org/name[@revision]`. Undefined if the text has another form. */
export function parseModelId(id: string): ModelId | undefined {
  const found = MODEL_ID.exec(id);
  return found ? { name: found[1], revision: found[2] } : undefined;
}

/** Whether a text has the form of a model's hub id, `org/name[@revision]`. */
export const isModelId = (model: string): boolean => MODEL_ID.test(model);

/** Whether a revision is a commit. */
export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/** The repository of a model `org/name`. */
export const modelRepo = (name: string): RepoId => ({ type: 'model', name });

/** The repository and the commit that the id of a model's commit names. @param id `org/name@<commit>` */
export function parseCommitId(id: string): { repo: RepoId; commit: string } {
  const { name, revision } = parseModelId(id)!;
  return { repo: modelRepo(name), commit: revision! };
}

/** What a data set's id names. */
export interface DatasetPart {
  /** `org/name`. */
  name: string;
  config?: string;
  split: string;
}

/** The parts of a data set's hub id `org/name[/config][:split]`. Default split: train. */
export function parseDatasetId(id: string): DatasetPart {
  const [, name, config, split = 'train'] = DATASET_ID.exec(id)!;
  return { name, ...(config !== undefined && { config }), split };
}

/** Whether a text has the form of a data set's hub id, `org/name[/config][:split]`, and is not the path of a file. */
export const isDatasetId = (source: string): boolean =>
  DATASET_ID.test(source) && !/\.(jsonl|json|parquet)$/.test(source);
