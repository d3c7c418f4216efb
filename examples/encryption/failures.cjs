/** Puts the messages and stack traces of failures into payloads, which the codec encrypts. It runs in workflows, too: no Node APIs here. */
const { DefaultFailureConverter } = require('@temporalio/common');

exports.failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
