/** Chat templates as users give them: in place of a model's own, or arguments to it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import { exists, readFailure } from '../../data/file-errors.ts';
import type { ChatTemplateSettings } from '../protocol/jobs.ts';

/** @throws InputError when the file cannot be read */
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

/** The name of a file of a chat template, in a model's folder and in an adapter's. */
export const CHAT_TEMPLATE = 'chat_template.jinja';

/** Settings with the template that is in an adapter's folder, unless they have one: TRL and selm write it there. */
export function withTemplateOf(
  adapter: string | undefined,
  settings?: ChatTemplateSettings,
): ChatTemplateSettings | undefined {
  if (adapter === undefined || settings?.template !== undefined) return settings;
  const file = join(adapter, CHAT_TEMPLATE);
  return exists(file) ? { ...settings, template: readChatTemplate(file) } : settings;
}
