/** The path of the page where people vote for a run. */
export const labelPath = (run: string): string => `/label/${encodeURIComponent(run)}`;
