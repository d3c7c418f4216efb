/** Which files of a model selm uses, by their paths in its folder or repository. */

/** Folder with a model's chat templates besides the default one, in transformers' layout. */
export const ADDITIONAL_TEMPLATES = 'additional_chat_templates';

/** Folder with the ONNX files of an export. */
export const ONNX_EXPORT = 'onnx';

/** Extensions of configurations, tokenizers and chat templates. */
const TEXTS = 'json|jinja|model|txt';

/**
 * Matches files in the top folder, and additional chat templates.
 * @param extensions of the files in the top folder, as an expression
 * @param condition on their names, as a lookahead
 */
const pattern = (extensions: string, condition = '') =>
  new RegExp(`^${condition}[^/]+\\.(${extensions})$|^${ADDITIONAL_TEMPLATES}/[^/]+\\.jinja$`);

/** The files of a model that are needed without running it. */
export const TOKENIZER_FILES = pattern(TEXTS);

/** The files that identify a model or an adapter in a folder: also weights. */
export const MODEL_FILES = pattern(`safetensors|${TEXTS}`);

/**
 * The files of a model that are downloaded from the hub: as MODEL_FILES, without `consolidated.safetensors`, the same weights in Mistral's
 * format. The source of the expression is part of the step keys of copies in a store.
 */
export const HUB_MODEL_FILES = pattern(`safetensors|${TEXTS}`, '(?!consolidated)');

/** As HUB_MODEL_FILES, and an ONNX export: the ONNX file in the top folder or in `onnx/`. */
export const HUB_MODEL_OR_ONNX_FILES = new RegExp(
  `${HUB_MODEL_FILES.source}|^(${ONNX_EXPORT}/)?model\\.onnx(_data|\\.data)?$`,
);

/** The files that identify a labeler's model in a folder: also ONNX exports, and no additional chat templates, which labelers do not use. */
export const LABELER_MODEL_FILES = new RegExp(`^(${ONNX_EXPORT}/)?[^/]+\\.(safetensors|onnx|onnx_data|data|${TEXTS})$`);
