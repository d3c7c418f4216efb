/** A number of bytes for people: `35.1 GB`, of 10^9 bytes. */
export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
