/** The files of a trained model besides its weights. */
import { copyFileSync, cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADDITIONAL_TEMPLATES } from '../../data/model-files.ts';

/** A hub cache has links to its files. */
const COPIED = { recursive: true, dereference: true };

const WEIGHTS = /\.(safetensors|bin|pt|pth|gguf|h5|msgpack|onnx([._]data)?)$|\.index\.json$/;

/**
 * Copies everything of a model folder but its weights (configuration, tokenizer, templates). The copied config.json is that of float32
 * weights.
 * @param changes of config.json, if the weights are not those of the configuration in `source`
 */
export function copyModelFiles(source: string, folder: string, changes: { tie_word_embeddings?: boolean }): void {
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    // The templates besides the default one are the only folder of a model that transformers reads.
    if (entry.name === ADDITIONAL_TEMPLATES) cpSync(join(source, entry.name), join(folder, entry.name), COPIED);
    if (entry.isDirectory() || WEIGHTS.test(entry.name) || entry.name === 'config.json') continue;
    copyFileSync(join(source, entry.name), join(folder, entry.name));
  }
  const config = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8')) as Record<string, unknown>;
  delete config['torch_dtype'];
  const written = { ...config, dtype: 'float32', ...changes };
  writeFileSync(join(folder, 'config.json'), `${JSON.stringify(written, null, 2)}\n`);
}
