/** Tag of the cluster that all versions of the workers share. Its value is the current version, which control workers read. */
export const VERSION_TAG = 'selm-version';
