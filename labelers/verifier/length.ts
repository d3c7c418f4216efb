/** length_constraints: the number of words, sentences and paragraphs. */
import { z } from 'zod';
import { holds, kind, relation, type Family } from './instruction.ts';
import { count, python, trim, WORD } from '../../ports/python.ts';
import { splitSentences } from '../../ports/punkt/sentences.ts';

const DIVIDER = python(/\s?\*\*\*\s?/u);
const SPACE = python(/\s/u);

const threshold = z.int().nonnegative();

export const length: Family = {
  'length_constraints:number_words': kind({ num_words: threshold, relation }, (response, { num_words, relation }) =>
    holds(count(response, new RegExp(`${WORD}+`, 'gu')), relation, num_words),
  ),

  'length_constraints:number_sentences': kind(
    { num_sentences: threshold, relation },
    (response, { num_sentences, relation }) => holds(splitSentences(response).length, relation, num_sentences),
  ),

  // Exactly this number of paragraphs, separated by `***`. An empty paragraph is ignored at the beginning and at the end.
  'length_constraints:number_paragraphs': kind({ num_paragraphs: threshold }, (response, { num_paragraphs: asked }) => {
    const paragraphs = response.split(DIVIDER).map(trim);
    if (paragraphs.slice(1, -1).includes('')) return false;
    return paragraphs.filter((paragraph) => paragraph !== '').length === asked;
  }),

  // Exactly this number of paragraphs, separated by empty lines. The nth paragraph begins with the given word.
  'length_constraints:nth_paragraph_first_word': kind(
    { num_paragraphs: z.int().positive(), nth_paragraph: z.int().positive(), first_word: z.string().min(1) },
    (response, { num_paragraphs: asked, nth_paragraph: nth, first_word: word }) => {
      const paragraphs = response.split('\n\n').map(trim);
      const filled = paragraphs.filter((paragraph) => paragraph !== '').length;
      // As in the reference checker, the index `nth` includes empty paragraphs.
      return filled === asked && nth <= filled && firstWord(paragraphs[nth - 1]) === word.toLowerCase();
    },
  ),
};

/** The first word in lower case, without leading quotation marks, up to the first punctuation mark in it. */
function firstWord(paragraph: string): string {
  const word = paragraph.split(SPACE)[0].replace(/^'+/u, '').replace(/^"+/u, '');
  return word.split(/[.,?!'"]/u)[0].toLowerCase();
}
