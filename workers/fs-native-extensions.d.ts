/** Types for the used part of the package, which has no types. */
declare module 'fs-native-extensions' {
  export function tryLock(fd: number, options?: { shared?: boolean }): boolean;
}
