/** change_case: the case of letters. As in the reference checker, the two kinds for the whole response also require English. */
import { z } from 'zod';
import { holds, kind, relation, type Family } from './instruction.ts';
import { isIn } from './language.ts';
import { isLower, isUpper } from '../../ports/python.ts';
import { splitWords } from './words.ts';

export const changeCase: Family = {
  'change_case:english_capital': kind({}, (response) => isUpper(response) && isIn(response, 'en')),

  'change_case:english_lowercase': kind({}, (response) => isLower(response) && isIn(response, 'en')),

  'change_case:capital_word_frequency': kind(
    { capital_frequency: z.int().nonnegative(), capital_relation: relation },
    (response, { capital_frequency: frequency, capital_relation: relation }) =>
      holds(splitWords(response).filter(isUpper).length, relation, frequency),
  ),
};
