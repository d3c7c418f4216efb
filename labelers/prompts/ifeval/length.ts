/** length_constraints: the number of words, sentences and paragraphs. */
import { counted } from '../../../data/counted.ts';
import { composable, drawRelation, type Relation } from './kind.ts';
import { drawOpener } from './words.ts';

/** Words of a natural sentence. */
const SENTENCE = { shortest: 6, longest: 30 };
/** Words of a short paragraph. */
const PARAGRAPH = 12;

export const length = {
  'length_constraints:number_words': composable({
    draw(random) {
      const relation = drawRelation(random);
      // The authors draw from 100 to 500 for both.
      const tens = relation === 'at least' ? random.integer(5, 40) : random.integer(4, 40);
      return { num_words: 10 * tens, relation };
    },
    say: ({ num_words: words, relation }: { num_words: number; relation: Relation }) => [
      `Answer with ${relation} ${words} words.`,
      `Your response should contain ${relation} ${words} words.`,
      relation === 'at least' ? `Write at least ${words} words.` : `Use less than ${words} words.`,
      relation === 'at least'
        ? `Your answer should be ${words} words or longer.`
        : `Keep your entire response under ${words} words.`,
    ],
    demands: ({ num_words: words, relation }) => ({
      words: relation === 'at least' ? { least: words } : { below: words },
    }),
  }),

  'length_constraints:number_sentences': composable({
    draw(random) {
      const relation = drawRelation(random);
      return { num_sentences: relation === 'at least' ? random.integer(3, 20) : random.integer(3, 15), relation };
    },
    say: ({ num_sentences: sentences, relation }: { num_sentences: number; relation: Relation }) => [
      `Your response should contain ${relation} ${sentences} sentences.`,
      `Write ${relation} ${sentences} sentences.`,
      relation === 'at least'
        ? `Your response should be at least ${sentences} sentences long.`
        : `Make sure that your entire response has less than ${sentences} sentences.`,
      relation === 'at least'
        ? `Answer in ${sentences} or more sentences.`
        : `Answer in ${sentences - 1} sentences or fewer.`,
    ],
    demands: ({ num_sentences: sentences, relation }) => ({
      words:
        relation === 'at least'
          ? { least: SENTENCE.shortest * sentences }
          : { below: SENTENCE.longest * (sentences - 1) },
    }),
  }),

  'length_constraints:number_paragraphs': composable({
    draw: (random) => ({ num_paragraphs: random.integer(2, 6) }),
    say: ({ num_paragraphs: paragraphs }: { num_paragraphs: number }) => [
      `There should be ${paragraphs} paragraphs. Paragraphs are separated with the markdown divider: ***`,
      `Write exactly ${paragraphs} paragraphs. Separate the paragraphs with the markdown divider: ***`,
      `Your response should have exactly ${paragraphs} paragraphs, separated by three asterisks: ***`,
      `Structure your answer as ${paragraphs} paragraphs with *** between them.`,
    ],
    demands: ({ num_paragraphs: paragraphs }) => ({ words: { least: PARAGRAPH * paragraphs } }),
  }),

  'length_constraints:nth_paragraph_first_word': composable({
    draw(random) {
      const paragraphs = random.integer(2, 5);
      return {
        num_paragraphs: paragraphs,
        nth_paragraph: random.integer(1, paragraphs),
        first_word: drawOpener(random),
      };
    },
    say: (kwargs: { num_paragraphs: number; nth_paragraph: number; first_word: string }) => {
      const { num_paragraphs: paragraphs, nth_paragraph: nth, first_word: word } = kwargs;
      return [
        `There should be ${paragraphs} paragraphs. Paragraphs and only paragraphs are separated with each other by two new lines ` +
          `as if it was '\\n\\n' in python. Paragraph ${nth} must start with word ${word}.`,
        `Write exactly ${paragraphs} paragraphs, separated by two new lines. Paragraph ${nth} must start with the word "${word}".`,
        `Your response must have ${paragraphs} paragraphs with a blank line between them, and paragraph ${nth} should begin with ` +
          `the word ${word}.`,
      ];
    },
    demands: ({ num_paragraphs: paragraphs, first_word: word }) => ({
      words: { least: PARAGRAPH * paragraphs },
      contains: [word],
    }),
  }),

  'detectable_content:number_placeholders': composable({
    draw: (random) => ({ num_placeholders: random.integer(1, 6) }),
    say: ({ num_placeholders: placeholders }: { num_placeholders: number }) => [
      `The response must contain at least ${placeholders} placeholders represented by square brackets, such as [address].`,
      `Include at least ${counted(placeholders, 'placeholder')} represented by square brackets, such as [name].`,
      `Your answer must have at least ${counted(placeholders, 'placeholder')} in square brackets (for example [date]).`,
    ],
    demands: ({ num_placeholders: placeholders }) => ({ words: { least: 2 * placeholders } }),
  }),
};
