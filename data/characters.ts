/** The length of a string in Unicode code points, as in Python. */
export const charactersOf = (text: string): number => [...text].length;
