/** Chat templates that users give. */
import { readFileSync } from 'node:fs';
import { InputError } from '../../data/errors.ts';
import { readFailure } from '../../data/file-errors.ts';

/** The text of a template's file. @throws InputError when the file cannot be read */
export function readChatTemplate(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const failure = readFailure(file, error);
    if (!(failure instanceof InputError)) throw failure;
    throw new InputError(
      `The chat template ${file} cannot be read (${(error as NodeJS.ErrnoException).code}); give a Jinja file.`,
    );
  }
}
