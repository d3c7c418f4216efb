/** language: the language of the whole response. */
import { z } from 'zod';
import { kind, type Family } from './instruction.ts';
import { detectLanguage } from '../../ports/langdetect/langdetect.ts';

export const language: Family = {
  'language:response_language': kind({ language: z.string().min(2) }, (response, { language }) =>
    isIn(response, language),
  ),
};

/** Whether the response is in the language. True for a text without a language, for example one that contains only numbers. */
export function isIn(response: string, language: string): boolean {
  return (detectLanguage(response) ?? language) === language;
}
