/** Formats figures for the page. Missing figures become empty cells. */

export const number = (value: number | undefined, digits = 1, unit = '') =>
  value === undefined ? '' : `${Number.isFinite(value) ? value.toFixed(digits) : 'beyond memory'}${unit}`;
export const percent = (value: number | undefined) => (value === undefined ? '' : `${(100 * value).toFixed(1)} %`);
