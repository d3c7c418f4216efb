/** keywords: words and letters that a response must or must not have. */
import { composable, drawRelation, pythonList, quotedList, type Relation } from './kind.ts';
import { drawKeywords } from './words.ts';

/** Letters that a natural text has often, and those that it has rarely. */
const OFTEN = [...'aeionrstl'];
const RARELY = [...'jkqvwxz'];

const plural = (words: string[], noun: string) => `${noun}${words.length === 1 ? '' : 's'}`;

export const keywords = {
  'keywords:existence': composable({
    draw: (random, base) => ({ keywords: drawKeywords(random, base, random.integer(1, 3)) }),
    say: ({ keywords: words }: { keywords: string[] }) => [
      `Include keywords ${pythonList(words)} in the response.`,
      `Include the ${plural(words, 'keyword')} ${quotedList(words, 'and')}.`,
      `Make sure to use the ${plural(words, 'word')} ${quotedList(words, 'and')}.`,
      `Your response should contain the ${plural(words, 'word')} ${quotedList(words, 'and')}.`,
    ],
    demands: ({ keywords: words }) => ({ contains: words }),
  }),

  'keywords:frequency': composable({
    draw: (random, base) => {
      const relation = drawRelation(random);
      const [keyword] = drawKeywords(random, base, 1);
      return { keyword, frequency: relation === 'at least' ? random.integer(2, 5) : random.integer(2, 4), relation };
    },
    say: ({ keyword, frequency, relation }: { keyword: string; frequency: number; relation: Relation }) => [
      `In your response, the word ${keyword} should appear ${relation} ${frequency} times.`,
      `Use the word "${keyword}" ${relation} ${frequency} times.`,
      `Make sure the word ${keyword} appears ${relation} ${frequency} times.`,
      relation === 'at least'
        ? `The word "${keyword}" must appear ${frequency} or more times in your response.`
        : `The word "${keyword}" may appear at most ${frequency - 1 === 1 ? 'once' : `${frequency - 1} times`}.`,
    ],
    demands: ({ keyword, frequency, relation }) =>
      relation === 'at least'
        ? { contains: Array<string>(frequency).fill(keyword) }
        : { fewer: { text: keyword, below: frequency } },
  }),

  'keywords:forbidden_words': composable({
    draw: (random, base) => ({ forbidden_words: drawKeywords(random, base, random.integer(1, 3)) }),
    say: ({ forbidden_words: words }: { forbidden_words: string[] }) => [
      `Do not include keywords ${pythonList(words)} in the response.`,
      `Do not use the ${plural(words, 'word')} ${quotedList(words, 'or')}.`,
      `Avoid the ${plural(words, 'word')} ${quotedList(words, 'and')} throughout your response.`,
      `Your response must not contain the ${plural(words, 'keyword')} ${quotedList(words, 'or')}.`,
    ],
    demands: ({ forbidden_words: words }) => ({ avoids: words }),
  }),

  'keywords:letter_frequency': composable({
    draw(random) {
      const relation = drawRelation(random);
      if (relation === 'less than')
        return { letter: random.pick(RARELY), let_frequency: random.integer(2, 8), let_relation: relation };
      const often = random.chance(0.7);
      return {
        letter: random.pick(often ? OFTEN : RARELY),
        let_frequency: often ? random.integer(5, 30) : random.integer(1, 5),
        let_relation: relation,
      };
    },
    say: (kwargs: { letter: string; let_frequency: number; let_relation: Relation }) => {
      const { letter, let_frequency: frequency, let_relation: relation } = kwargs;
      const times = frequency === 1 ? 'once' : `${frequency} times`;
      return [
        `In your response, the letter ${letter} should appear ${relation} ${frequency} times.`,
        `Make sure the letter ${letter} appears ${relation} ${times}.`,
        `The letter "${letter}" should appear ${relation} ${times} in your response.`,
      ];
    },
    demands: ({ letter, let_frequency: frequency, let_relation: relation }) =>
      relation === 'at least' ? { words: { least: 2 * frequency } } : { fewer: { text: letter, below: frequency } },
  }),
};
