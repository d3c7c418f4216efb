/** Numbers of bytes as text, in units of powers of ten. */

/** `35.1 GB` */
export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** Rounded up: `1,153 GB` */
export const wholeGigabytes = (bytes: number): string => `${Math.ceil(bytes / 1e9).toLocaleString('en-US')} GB`;

/** `35.1 MB` if it is less than 0.1 GB, else as `gigabytes`. */
export const formatBytes = (bytes: number): string =>
  bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : gigabytes(bytes);
