/** detectable_format and detectable_content: the layout of a response and parts that it must contain. */
import { counted } from '../../../data/counted.ts';
import { composable } from './kind.ts';

const none = () => ({});

export const format = {
  'detectable_content:postscript': composable({
    draw: (random) => ({ postscript_marker: random.pick(['P.S.', 'P.P.S']) }),
    say: ({ postscript_marker: marker }: { postscript_marker: string }) => [
      `At the end of your response, please explicitly add a postscript starting with ${marker}`,
      `Add a postscript at the end that starts with ${marker}`,
      `Please include a postscript, starting with ${marker}, at the end of your response.`,
    ],
    demands: ({ postscript_marker: marker }) => ({ contains: [marker] }),
  }),

  'detectable_format:number_bullet_lists': composable({
    draw: (random) => ({ num_bullets: random.integer(2, 8) }),
    say: ({ num_bullets: bullets }: { num_bullets: number }) => [
      `Your answer must contain exactly ${bullets} bullet points. Use the markdown bullet points such as:\n` +
        '* This is point 1. \n* This is point 2',
      `Use exactly ${bullets} bullet points in markdown format.`,
      `Include exactly ${bullets} markdown bullet points, such as:\n* Point 1\n* Point 2`,
      `Your response should have exactly ${bullets} bullet points. Indicate each bullet point with "* ".`,
    ],
    demands: ({ num_bullets: bullets }) => ({ words: { least: 3 * bullets } }),
  }),

  'detectable_format:constrained_response': composable({
    draw: none,
    say: () => [
      "Answer with one of the following options: ('My answer is yes.', 'My answer is no.', 'My answer is maybe.')",
      'Answer with exactly one of the following phrases: "My answer is yes.", "My answer is no.", "My answer is maybe."',
      'Choose your answer from the following options: "My answer is yes." "My answer is no." "My answer is maybe."',
    ],
  }),

  'detectable_format:number_highlighted_sections': composable({
    draw: (random) => ({ num_highlights: random.integer(1, 6) }),
    say: ({ num_highlights: highlights }: { num_highlights: number }) => [
      `Highlight at least ${highlights} sections in your answer with markdown, i.e. *highlighted section*.`,
      `Use markdown to highlight at least ${counted(highlights, 'section')} of your answer, like this: *highlighted section*.`,
      `Italicize at least ${counted(highlights, 'section')} in markdown, i.e. *italic text*.`,
    ],
    demands: ({ num_highlights: highlights }) => ({ words: { least: 3 * highlights } }),
  }),

  'detectable_format:multiple_sections': composable({
    draw: (random) => ({
      section_spliter: random.pick(['Section', 'SECTION']),
      num_sections: random.integer(2, 5),
    }),
    say: ({ section_spliter: marker, num_sections: sections }: { section_spliter: string; num_sections: number }) => [
      `Your response must have ${sections} sections. Mark the beginning of each section with ${marker} X, such as:\n` +
        `${marker} 1\n[content of section 1]\n${marker} 2\n[content of section 2]`,
      `Divide your response into ${sections} sections. Mark the beginning of each section with ${marker} X.`,
      `The response should have ${sections} sections that begin with "${marker} 1", "${marker} 2" and so on.`,
    ],
    demands: ({ section_spliter: marker, num_sections: sections }) => ({
      words: { least: 8 * sections },
      contains: Array<string>(sections).fill(marker),
    }),
  }),

  'detectable_format:json_format': composable({
    draw: none,
    say: () => [
      'Entire output should be wrapped in JSON format. You can use markdown ticks such as ```.',
      'Wrap the entire output in JSON format.',
      'Put your entire answer in JSON format. You may use markdown ticks such as ```.',
    ],
  }),

  'detectable_format:title': composable({
    draw: none,
    say: () => [
      'Your answer must contain a title, wrapped in double angular brackets, such as <<poem of joy>>.',
      'Include a title wrapped in double angular brackets, i.e. <<title>>.',
      'Give your response a title in double angular brackets like <<this title>>.',
    ],
  }),
};
