/** Checks of names and relative paths from files and servers, before they become part of a path. */
import { z } from 'zod';

/** Names of runs and policies, which are file names and parts of URLs. The first character excludes hidden files, `..` and options. */
const NAME = /^[A-Za-z0-9_][\w.-]*$/;

const MAX_NAME = 128;

/** The name of a run or a policy. */
export const nameSchema = z
  .string()
  .max(MAX_NAME, `expected at most ${MAX_NAME} characters`)
  .regex(NAME, 'expected letters, digits, ".", "_" and "-", beginning with a letter, a digit or "_"')
  // The key `__proto__` would set the prototype of an object.
  .refine((name) => name !== '__proto__', 'expected another name than "__proto__", which JavaScript reserves');

/** Whether a text is a valid name of a run or a policy. */
export const isName = (text: string) => nameSchema.safeParse(text).success;

/** Whether a path (separator "/") stays inside the folder that it is joined to. */
export const isContained = (path: string) =>
  !path.includes('\0') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
