/** Settings of the AWS SDK for the whole process. */

/** Silences the SDK's announcements of future Node requirements, which would be written to stderr. Called before the SDK is loaded. */
export function silenceAwsSdk(): void {
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
}
