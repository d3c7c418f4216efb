/** keywords: words and letters that a response must or must not have. Keywords are patterns, as in the reference checker. */
import { z } from 'zod';
import { holds, kind, pattern, relation, type Family } from './instruction.ts';
import { BOUNDARY, count, pythonPattern, trim } from '../../ports/python.ts';

export const keywords: Family = {
  'keywords:existence': kind({ keywords: z.array(pattern).min(1) }, (response, { keywords }) =>
    keywords.every((keyword) => pythonPattern(keyword, 'iu').test(response)),
  ),

  // Matches inside other words are counted: "there" contains "the".
  'keywords:frequency': kind(
    { keyword: pattern, frequency: z.int().nonnegative(), relation },
    (response, { keyword, frequency, relation }) =>
      holds(count(response, pythonPattern(trim(keyword), 'giu')), relation, frequency),
  ),

  'keywords:forbidden_words': kind(
    { forbidden_words: z.array(pattern).min(1) },
    (response, { forbidden_words: words }) =>
      words.every((word) => !pythonPattern(BOUNDARY + word + BOUNDARY, 'iu').test(response)),
  ),

  'keywords:letter_frequency': kind(
    { letter: z.string().length(1), let_frequency: z.int().nonnegative(), let_relation: relation },
    (response, { letter, let_frequency: frequency, let_relation: relation }) =>
      holds(response.toLowerCase().split(letter.toLowerCase()).length - 1, relation, frequency),
  ),
};
