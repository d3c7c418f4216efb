/** All instruction kinds of the verifier, by id. */
import { changeCase } from './case.ts';
import { combination } from './combination.ts';
import { content } from './content.ts';
import { format } from './format.ts';
import type { Family } from './instruction.ts';
import { keywords } from './keywords.ts';
import { language } from './language.ts';
import { length } from './length.ts';
import { lists } from './lists.ts';
import { punctuation } from './punctuation.ts';
import { startend } from './startend.ts';

export const instructionKinds: Family = {
  ...keywords,
  ...language,
  ...length,
  ...content,
  ...format,
  ...combination,
  ...startend,
  ...changeCase,
  ...punctuation,
  ...lists,
};
