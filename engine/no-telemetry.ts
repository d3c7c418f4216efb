/**
 * Turns ONNX Runtime's reports off, which are on by default from version 1.29: it would send names and hashes of graphs, devices and errors
 * to Microsoft, and write an identifier into the home folder. The library reads the variable once, so it is set before that is loaded.
 */
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
