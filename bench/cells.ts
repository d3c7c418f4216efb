/** Formats figures for the page. Missing figures become empty cells. */

/** A number with its unit. Infinity means that memory was not sufficient. */
export const number = (value: number | undefined, digits = 1, unit = '') =>
  value === undefined ? '' : `${Number.isFinite(value) ? value.toFixed(digits) : 'beyond memory'}${unit}`;
/** A share in percent. */
export const percent = (value: number | undefined) => (value === undefined ? '' : `${(100 * value).toFixed(1)} %`);
