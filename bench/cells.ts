/** Figures as the page writes them; nothing where there is none. */

export const number = (value: number | undefined, digits = 1, unit = '') =>
  value === undefined ? '' : `${Number.isFinite(value) ? value.toFixed(digits) : 'beyond memory'}${unit}`;
export const percent = (value: number | undefined) => (value === undefined ? '' : `${(100 * value).toFixed(1)} %`);
