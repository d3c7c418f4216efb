/** The names of people, as they are in votes, decisions and invitations. */

/** Letters of all scripts, digits, and what occurs in email addresses and in the subjects of OpenID Connect providers. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._@+|:'-]{0,99}$/u;

/** Whether `name` can be a person's name. Equal names must be equal texts: it is in Unicode's NFC and does not end with a space. */
export const isPersonName = (name: string): boolean =>
  NAME.test(name) && !name.endsWith(' ') && name.normalize() === name;
