/** The address of the form that signs out. */
export const SIGN_OUT = '/sign-out';
