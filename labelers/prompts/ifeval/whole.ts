/** Instructions about a response as a whole: language, case, punctuation, its beginning and end. */
import { counted } from '../../../data/counted.ts';
import { composable, drawRelation, type Relation } from './kind.ts';

/** The languages of IFEval, except English: LANGUAGE_CODES in google-research, instruction_following_eval/instructions_util.py. */
const LANGUAGES: Record<string, string> = {
  ar: 'Arabic',
  bg: 'Bulgarian',
  bn: 'Bengali',
  de: 'German',
  es: 'Spanish',
  fa: 'Persian',
  fi: 'Finnish',
  fr: 'French',
  gu: 'Gujarati',
  he: 'Hebrew',
  hi: 'Hindi',
  it: 'Italian',
  ja: 'Japanese',
  kn: 'Kannada',
  ko: 'Korean',
  ml: 'Malayalam',
  mr: 'Marathi',
  ne: 'Nepali',
  pa: 'Punjabi',
  pl: 'Polish',
  pt: 'Portuguese',
  ru: 'Russian',
  sw: 'Swahili',
  ta: 'Tamil',
  te: 'Telugu',
  th: 'Thai',
  uk: 'Ukrainian',
  ur: 'Urdu',
  vi: 'Vietnamese',
};

/** The authors' two phrases, and others of the kind that IFEval's prompts ask for. */
const ENDINGS = [
  'Any other questions?',
  'Is there anything else I can help with?',
  'I hope this helps.',
  'Let me know what you think.',
  'That is all for today.',
  'Thank you for reading.',
  'What would you do next?',
];

const none = () => ({});

export const whole = {
  'language:response_language': composable({
    draw: (random) => ({ language: random.pick(Object.keys(LANGUAGES)) }),
    say: ({ language }: { language: string }) => [
      `Your ENTIRE response should be in ${LANGUAGES[language]} language, no other language is allowed.`,
      `Respond entirely in ${LANGUAGES[language]}, no other language is allowed.`,
      `Use only the ${LANGUAGES[language]} language in your response.`,
    ],
  }),

  'combination:two_responses': composable({
    draw: none,
    say: () => [
      'Give two different responses. Responses and only responses should be separated by 6 asterisk symbols: ******.',
      'Give exactly two different responses, separated by 6 asterisk symbols: ******.',
      'Please provide two different answers and separate them with six asterisks (******).',
    ],
  }),

  // The argument is the prompt up to this instruction, which is always the last one.
  'combination:repeat_prompt': composable({
    draw: none,
    say: () => [
      'First repeat the request word for word without change, then give your answer (1. do not say any words or characters before ' +
        'repeating the request; 2. the request you need to repeat does not include this sentence)',
      'First repeat the request above word for word without change, then give your answer. Do not say any words or characters before ' +
        'repeating the request.',
      'Before you answer, repeat the request above exactly as it is. Do not write anything before it.',
    ],
  }),

  'startend:end_checker': composable({
    draw: (random) => ({ end_phrase: random.pick(ENDINGS) }),
    say: ({ end_phrase: phrase }: { end_phrase: string }) => [
      // With a second period, who copies the phrase would be wrong.
      `Finish your response with this exact phrase ${phrase}${phrase.endsWith('.') ? '' : '.'} No other words should follow this phrase.`,
      `End your response with the exact phrase "${phrase}" No other words should follow.`,
      `Finish with the phrase "${phrase}" and do not say anything after it.`,
    ],
    demands: ({ end_phrase: phrase }) => ({ contains: [phrase] }),
  }),

  'change_case:capital_word_frequency': composable({
    draw(random) {
      const relation = drawRelation(random);
      return {
        capital_frequency: relation === 'at least' ? random.integer(1, 10) : random.integer(4, 15),
        capital_relation: relation,
      };
    },
    say: ({
      capital_frequency: count,
      capital_relation: relation,
    }: {
      capital_frequency: number;
      capital_relation: Relation;
    }) => [
      `In your response, words with all capital letters should appear ${relation} ${count} times.`,
      `Use ${relation} ${counted(count, 'word')} in all capital letters.`,
      `Make sure that words with all capital letters appear ${relation} ${counted(count, 'time')}.`,
    ],
    demands: ({ capital_frequency: count, capital_relation: relation }) =>
      relation === 'at least' ? { words: { least: 2 * count } } : { capitalsBelow: count },
  }),

  'change_case:english_capital': composable({
    draw: none,
    say: () => [
      'Your entire response should be in English, and in all capital letters.',
      'Write in English and use all capital letters.',
      'Answer in English, using only capital letters.',
    ],
  }),

  'change_case:english_lowercase': composable({
    draw: none,
    say: () => [
      'Your entire response should be in English, and in all lowercase letters. No capital letters are allowed.',
      'Answer in English and use only lowercase letters.',
      'Please write in English, in all lowercase. Do not use capital letters.',
    ],
  }),

  'punctuation:no_comma': composable({
    draw: none,
    say: () => [
      'In your entire response, refrain from the use of any commas.',
      'Do not use any commas in your response.',
      'Your response must not contain any commas.',
      'Avoid using commas.',
    ],
    demands: () => ({ noComma: true }),
  }),

  'startend:quotation': composable({
    draw: none,
    say: () => [
      'Wrap your entire response with double quotation marks.',
      'Put your entire response inside double quotation marks.',
      'Start and end your whole answer with a double quotation mark.',
    ],
  }),
};
