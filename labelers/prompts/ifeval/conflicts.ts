/** Which instruction kinds of IFEval contradict each other. */

const IDS = [
  'keywords:existence',
  'keywords:frequency',
  'keywords:forbidden_words',
  'keywords:letter_frequency',
  'language:response_language',
  'length_constraints:number_sentences',
  'length_constraints:number_paragraphs',
  'length_constraints:number_words',
  'length_constraints:nth_paragraph_first_word',
  'detectable_content:number_placeholders',
  'detectable_content:postscript',
  'detectable_format:number_bullet_lists',
  'detectable_format:constrained_response',
  'detectable_format:number_highlighted_sections',
  'detectable_format:multiple_sections',
  'detectable_format:json_format',
  'detectable_format:title',
  'combination:two_responses',
  'combination:repeat_prompt',
  'startend:end_checker',
  'change_case:capital_word_frequency',
  'change_case:english_capital',
  'change_case:english_lowercase',
  'punctuation:no_comma',
  'startend:quotation',
] as const;

/** One of the 25 kinds of instructions in IFEval. */
export type KindId = (typeof IDS)[number];

/** The 25 kinds of instructions in IFEval, in the order of the authors' registry. */
export const kindIds: readonly KindId[] = IDS;

const allBut = (...ids: KindId[]) => IDS.filter((id) => !ids.includes(id));

/**
 * The authors' table: INSTRUCTION_CONFLICTS in google-research, instruction_following_eval/instructions_registry.py (Apache-2.0).
 * `conflict_make` there adds what `authorsConflict` adds here: each kind conflicts with itself, and conflicts are mutual.
 */
const AUTHORS: Partial<Record<KindId, readonly KindId[]>> = {
  'language:response_language': [
    'detectable_format:multiple_sections',
    'keywords:existence',
    'keywords:frequency',
    'keywords:forbidden_words',
    'startend:end_checker',
    'change_case:english_capital',
    'change_case:english_lowercase',
  ],
  'length_constraints:number_paragraphs': [
    'length_constraints:nth_paragraph_first_word',
    'length_constraints:number_sentences',
  ],
  'detectable_format:constrained_response': IDS,
  'detectable_format:multiple_sections': ['detectable_format:number_highlighted_sections'],
  'detectable_format:json_format': allBut('keywords:forbidden_words', 'keywords:existence'),
  'combination:two_responses': allBut(
    'keywords:forbidden_words',
    'keywords:existence',
    'language:response_language',
    'detectable_format:title',
    'punctuation:no_comma',
  ),
  'combination:repeat_prompt': allBut('keywords:existence', 'detectable_format:title', 'punctuation:no_comma'),
  'change_case:capital_word_frequency': ['change_case:english_lowercase', 'change_case:english_capital'],
  'change_case:english_lowercase': ['change_case:english_capital'],
  'startend:quotation': ['detectable_format:title'],
};

/** Further conflicts, which the authors' table leaves to a person who checks each prompt. */
const FURTHER: Partial<Record<KindId, readonly KindId[]>> = {
  // These texts contain capital letters, or letters that are not capital.
  'change_case:english_lowercase': [
    'detectable_format:multiple_sections',
    'detectable_content:postscript',
    'startend:end_checker',
  ],
  'change_case:english_capital': ['detectable_format:multiple_sections', 'startend:end_checker'],
  // These count or require Latin letters, English words or English sentences.
  'language:response_language': [
    'change_case:capital_word_frequency',
    'keywords:letter_frequency',
    'length_constraints:number_sentences',
    'length_constraints:number_words',
    'length_constraints:nth_paragraph_first_word',
    'detectable_content:postscript',
  ],
  // As in the authors' table for the other kind that counts paragraphs.
  'length_constraints:nth_paragraph_first_word': ['length_constraints:number_sentences'],
};

const isListed = (table: Partial<Record<KindId, readonly KindId[]>>, a: KindId, b: KindId) =>
  table[a]?.includes(b) || table[b]?.includes(a) || false;

/** Whether two kinds conflict by the authors' table. */
export const authorsConflict = (a: KindId, b: KindId): boolean => a === b || isListed(AUTHORS, a, b);

/** Whether a prompt must not have instructions of both kinds. */
export const conflict = (a: KindId, b: KindId): boolean => authorsConflict(a, b) || isListed(FURTHER, a, b);
