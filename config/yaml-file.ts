/** Reads the YAML file of a configuration. */
import { readFileSync } from 'node:fs';
import { InputError } from '../data/errors.ts';
import { readFailure } from '../data/file-errors.ts';
import { parseYaml } from '../data/yaml.ts';

/**
 * @param whose configuration the file should have, for errors: "a run's"
 * @returns the YAML value: objects, lists, texts, numbers, booleans and nulls
 * @throws InputError for a file that cannot be read or is not YAML
 */
export function readYaml(file: string, whose: string): unknown {
  return parseYaml(readText(file, whose), file);
}

/**
 * Like {@link readYaml}, for a file that must have keys.
 * @throws InputError also for an empty file, a list or a single value
 */
export function readSections(file: string, whose: string): object {
  const content = readYaml(file, whose);
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new InputError(`${file} has no settings; see docs/config.md.`);
  }
  return content;
}

function readText(file: string, whose: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InputError(`${file} does not exist; give ${whose} YAML file.`);
    throw readFailure(file, error, `give ${whose} YAML file`);
  }
}
