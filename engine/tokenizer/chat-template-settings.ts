/** Chat templates that users give, or that an adapter's folder has. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import { exists, readFailure } from '../../data/file-errors.ts';
import type { ChatTemplateSettings } from '../protocol/jobs.ts';

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

/** File name of the chat template in a model's folder and in an adapter's folder. */
export const CHAT_TEMPLATE = 'chat_template.jinja';

/** The settings, with the template of the adapter's folder if they have none. TRL and selm write templates there. */
export function withTemplateOf(
  adapter: string | undefined,
  settings?: ChatTemplateSettings,
): ChatTemplateSettings | undefined {
  if (adapter === undefined || settings?.template !== undefined) return settings;
  const file = join(adapter, CHAT_TEMPLATE);
  return exists(file) ? { ...settings, template: readChatTemplate(file) } : settings;
}
