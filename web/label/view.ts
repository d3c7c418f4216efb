/** How the texts of a question are shown. */

/** Formatted markdown, the text as it is, or the text with the words marked that differ between the responses. */
export const VIEWS = ['formatted', 'raw', 'difference'] as const;
export type View = (typeof VIEWS)[number];

/** The view that a request names. Default: the first one. */
export const viewOf = (given: unknown): View => VIEWS.find((view) => view === given) ?? 'formatted';
