/** The syntax of hub ids, which distinguishes them from paths. */

// Names begin with a letter or digit, unlike paths such as `./model`.
export const MODEL_ID = /^(\w[\w.-]*\/\w[\w.-]*)(?:@([\w./-]+))?$/;
export const DATASET_ID = /^(\w[\w.-]*\/\w[\w.-]*)(?:\/([\w.-]+))?(?::([\w.-]+))?$/;

/** Whether a text has the form of a model's hub id, `org/name[@revision]`. */
export const isModelId = (model: string): boolean => MODEL_ID.test(model);

/** Whether a text has the form of a data set's hub id, `org/name[/config][:split]`, and is not the path of a file. */
export const isDatasetId = (source: string): boolean =>
  DATASET_ID.test(source) && !/\.(jsonl|json|parquet)$/.test(source);
